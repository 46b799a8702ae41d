// VersionSet: the current version and the manifest that makes it durable.
//
// Recover and Apply are for one thread at a time (Open, then the flush actor); NewFileNumber is for
// any. What a crash leaves: the old version or the new one, and files that neither names, which
// Recover deletes.
#ifndef SISYPHUS_LSM_VERSION_SET_H_
#define SISYPHUS_LSM_VERSION_SET_H_

#include <atomic>
#include <memory>
#include <string>

#include "lsm/manifest.h"
#include "lsm/version.h"

namespace sisyphus::lsm {

class VersionSet {
 public:
  // `purge` must outlive every version.
  VersionSet(const Options& options, std::string directory, PurgeQueue* purge)
      : fs_(*options.file_system),
        rewrite_bytes_(options.manifest_rewrite_bytes),
        directory_(std::move(directory)),
        purge_(purge) {}

  // Reads what the directory holds, or starts an empty store in it; writes a new manifest and
  // deletes every file that it does not name.
  Status Recover();

  // Makes `edit` durable, then current. After an error, no further call.
  Status Apply(VersionEdit edit);

  const std::shared_ptr<const Version>& current() const { return current_; }
  uint64_t NewFileNumber() { return next_file_number_.fetch_add(1, std::memory_order_relaxed); }

 private:
  // A manifest is written anew only when most of it is history.
  static constexpr uint64_t kRewriteFactor = 4;

  Status ReadOld();
  Status CheckTables() const;
  Status WriteManifest(const Version& version);
  Status DeleteOrphans(const std::vector<std::string>& names);

  FileSystem& fs_;
  const uint64_t rewrite_bytes_;
  const std::string directory_;
  PurgeQueue* const purge_;
  std::atomic<uint64_t> next_file_number_{1};
  std::shared_ptr<const Version> current_ = std::make_shared<Version>();
  std::unique_ptr<ManifestWriter> manifest_;
  uint64_t whole_bytes_ = 0;  // Size of the manifest when it was started.
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_VERSION_SET_H_
