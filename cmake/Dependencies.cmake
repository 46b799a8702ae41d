# Every library that SisyphusDB stands on. All of them are Debian 12 packages; tools/setup installs them.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers only: Asio and Beast
find_package(prometheus-cpp REQUIRED)

pkg_check_modules(grpcpp REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(cairo REQUIRED IMPORTED_TARGET cairo)  # pictures that sicli draws
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)  # the shell of sicli
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)

find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
