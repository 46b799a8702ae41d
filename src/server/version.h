// The version of this build.
#ifndef SISYPHUS_SERVER_VERSION_H_
#define SISYPHUS_SERVER_VERSION_H_

namespace sisyphus::server {

inline constexpr char kVersion[] = SISYPHUS_VERSION;  // From CMake's project().

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_VERSION_H_
