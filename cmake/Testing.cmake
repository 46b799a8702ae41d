# sisyphus_test(NAME wal_test SOURCES log_writer_test.cc DEPENDS sisyphus::wal [LABELS sim] [TIMEOUT 120])
# One GoogleTest binary; every TEST() in it becomes a ctest test of its own.

find_package(GTest REQUIRED)
include(GoogleTest)

# Debian's gRPC, Protobuf and Abseil carry no TSan instrumentation; tests/tsan.supp says what follows.
if(SISYPHUS_SANITIZE MATCHES "thread")
  set(SISYPHUS_TEST_ENVIRONMENT
      "TSAN_OPTIONS=ignore_noninstrumented_modules=1 suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endif()

function(sisyphus_test)
  cmake_parse_arguments(T "" "NAME;TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(T_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "sisyphus_test(${T_NAME}): unknown arguments ${T_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(NOT T_LABELS)
    set(T_LABELS unit)
  endif()
  add_executable(${T_NAME} ${T_SOURCES})
  target_include_directories(${T_NAME} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${T_NAME} PRIVATE sisyphus_flags ${T_DEPENDS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${T_NAME} DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}" ENVIRONMENT "${SISYPHUS_TEST_ENVIRONMENT}")
endfunction()
