// The manifest: which tables make up the store, as a log of version edits.
//
//   MANIFEST-n
//     header    0  fixed64  kManifestMagic
//               8  fixed32  format version
//              12  fixed32  0, reserved
//              16  fixed64  XXH3 of the 16 bytes before
//     record ...   fixed32  length of the edit
//                  fixed64  XXH3 of the edit, seeded with the record's offset
//                  edit     version_edit.h
//   CURRENT        "MANIFEST-n" | space | XXH3 of that name, 16 hex digits | newline
//
// The first record of a manifest holds the whole set; it is synced before CURRENT names it. Each
// further record is synced before its change counts, so only the last one can be torn: a record
// that is not whole, with no whole one behind it, never counted, and is left out. Damage before
// that is kDataLoss. A manifest that was read is never written again: Open starts a
// new one.
#ifndef SISYPHUS_LSM_MANIFEST_H_
#define SISYPHUS_LSM_MANIFEST_H_

#include <functional>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "lsm/version_edit.h"

namespace sisyphus::lsm {

inline constexpr uint64_t kManifestMagic = 0x316d6d7873796873;
inline constexpr uint32_t kManifestVersion = 2;

class ManifestWriter {
 public:
  // Writes a manifest that holds `whole`, syncs it and makes CURRENT name it. Until this returns OK
  // the old manifest counts.
  static StatusOr<std::unique_ptr<ManifestWriter>> Create(FileSystem& fs,
                                                          const std::string& directory,
                                                          uint64_t number,
                                                          const VersionEdit& whole);

  // Durable when it returns. After an error, only destruction.
  Status Append(const VersionEdit& edit);

  uint64_t number() const { return number_; }
  uint64_t size_bytes() const { return file_->size(); }

 private:
  ManifestWriter(uint64_t number, std::unique_ptr<WritableFile> file)
      : number_(number), file_(std::move(file)) {}

  const uint64_t number_;
  const std::unique_ptr<WritableFile> file_;
};

// The number of the manifest that CURRENT names; kNotFound when there is no CURRENT.
StatusOr<uint64_t> ReadCurrent(FileSystem& fs, const std::string& directory);

// Calls `apply` with every edit, in order; an error of it ends the reading and gets the place
// added.
Status ReadManifest(FileSystem& fs, const std::string& directory, uint64_t number,
                    const std::function<Status(const VersionEdit&)>& apply);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_MANIFEST_H_
