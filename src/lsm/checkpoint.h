// Checkpoints: a second store that shares a version's table files.
#ifndef SISYPHUS_LSM_CHECKPOINT_H_
#define SISYPHUS_LSM_CHECKPOINT_H_

#include <string>

#include "base/file_system.h"
#include "lsm/version.h"

namespace sisyphus::lsm {

// Creates directory `to` (kAlreadyExists if it is there) and in it hard links to the tables of
// `version` and a manifest, all synced. Every table is read and verified first (kDataLoss), so that
// damage here does not travel to where the checkpoint goes. The caller holds `version`, so that the
// tables stay. On an error what was made is removed again; after a crash a directory without
// CURRENT may be left.
Status WriteCheckpoint(FileSystem& fs, const std::string& from, const std::string& to,
                       const Version& version);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_CHECKPOINT_H_
