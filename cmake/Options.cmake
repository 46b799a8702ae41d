# How our own code is compiled. Warnings are errors; checks (base/check.h) stay on in every build type.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# -g1 keeps line tables for backtraces at a fraction of the size and link time of -g.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

set(SISYPHUS_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")
if(SISYPHUS_SANITIZE)
  add_compile_options(-fsanitize=${SISYPHUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SISYPHUS_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

# Flags for our own targets only; generated protobuf code is compiled without them.
add_library(sisyphus_flags INTERFACE)
target_compile_options(sisyphus_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(sisyphus_flags INTERFACE -Wthread-safety)
endif()
if(SISYPHUS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12's instrumentation hides initialisations from this warning; the other presets keep it.
  target_compile_options(sisyphus_flags INTERFACE -Wno-maybe-uninitialized)
endif()
if(SISYPHUS_SANITIZE MATCHES "thread")
  # GCC cannot see std::atomic_thread_fence under TSan; we use none, and libraries' headers may.
  target_compile_options(sisyphus_flags INTERFACE -Wno-tsan)
endif()
