# One library a room. `MAY_INCLUDE` is the whole truth about who sees whom: it links the library, and
# tests/lint/includes_test reads the same list (build/<preset>/rooms.txt) and fails on any other #include.
#
#   sisyphus_room(NAME wal MAY_INCLUDE base SOURCES log_writer.cc DEPENDS Threads::Threads)
#
# PLANTED names the sources that have switches for known mistakes (base/planted.h). Tests that throw
# them link sisyphus_${NAME}_planted: those sources compiled once more, and all others as they are.

file(WRITE "${CMAKE_BINARY_DIR}/rooms.txt" "")

function(sisyphus_room)
  cmake_parse_arguments(ROOM "" "NAME" "MAY_INCLUDE;SOURCES;DEPENDS;PLANTED" ${ARGN})
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
  if(ROOM_PLANTED)
    sisyphus_planted_room(${target})
  endif()
  list(JOIN ROOM_MAY_INCLUDE " " lower_rooms)
  file(APPEND "${CMAKE_BINARY_DIR}/rooms.txt" "${ROOM_NAME}: ${lower_rooms}\n")
endfunction()

# Uses the arguments of the sisyphus_room() that calls it. A room above a planted one is planted too.
macro(sisyphus_planted_room target)
  set(others "$<TARGET_OBJECTS:${target}>")
  foreach(source IN LISTS ROOM_PLANTED)
    set(others "$<FILTER:${others},EXCLUDE,/${source}[.]o>")
  endforeach()
  add_library(${target}_planted STATIC EXCLUDE_FROM_ALL ${ROOM_PLANTED} ${others})
  target_compile_definitions(${target}_planted PUBLIC SISYPHUS_PLANTED_BUGS)
  target_include_directories(${target}_planted PUBLIC "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include")
  target_link_libraries(${target}_planted PRIVATE sisyphus_flags PUBLIC ${ROOM_DEPENDS})
  foreach(lower IN LISTS ROOM_MAY_INCLUDE)
    if(TARGET sisyphus_${lower}_planted)
      target_link_libraries(${target}_planted PUBLIC sisyphus_${lower}_planted)
    else()
      target_link_libraries(${target}_planted PUBLIC sisyphus::${lower})
    endif()
  endforeach()
endmacro()
