# One library a room. `MAY_INCLUDE` is the whole truth about who sees whom: it links the library, and
# tests/lint/includes_test reads the same list (build/<preset>/rooms.txt) and fails on any other #include.
#
#   sisyphus_room(NAME wal MAY_INCLUDE base SOURCES log_writer.cc DEPENDS Threads::Threads)

file(WRITE "${CMAKE_BINARY_DIR}/rooms.txt" "")

function(sisyphus_room)
  cmake_parse_arguments(ROOM "" "NAME" "MAY_INCLUDE;SOURCES;DEPENDS" ${ARGN})
  if(ROOM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "sisyphus_room(${ROOM_NAME}): unknown arguments ${ROOM_UNPARSED_ARGUMENTS}")
  endif()
  set(target sisyphus_${ROOM_NAME})
  add_library(${target} STATIC ${ROOM_SOURCES})
  add_library(sisyphus::${ROOM_NAME} ALIAS ${target})
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE sisyphus_flags PUBLIC ${ROOM_DEPENDS})
  foreach(lower IN LISTS ROOM_MAY_INCLUDE)
    target_link_libraries(${target} PUBLIC sisyphus::${lower})
  endforeach()
  list(JOIN ROOM_MAY_INCLUDE " " lower_rooms)
  file(APPEND "${CMAKE_BINARY_DIR}/rooms.txt" "${ROOM_NAME}: ${lower_rooms}\n")
endfunction()
