// The file system of production: pread, write, fdatasync.
#ifndef SISYPHUS_BASE_POSIX_FILE_SYSTEM_H_
#define SISYPHUS_BASE_POSIX_FILE_SYSTEM_H_

#include "base/file_system.h"

namespace sisyphus {

FileSystem& PosixFileSystem();

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_POSIX_FILE_SYSTEM_H_
