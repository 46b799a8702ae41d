// DataDirectory: the directory of one node: who it belongs to, and that one process uses it.
//
// Files: DATA/LOCK (held while the process lives), DATA/IDENTITY, DATA/log/, DATA/db/,
// DATA/incoming/ (a snapshot being received), DATA/snapshots/ (checkpoints being sent). IDENTITY is
// text, four lines:
//   sisyphusdb data directory
//   format 1
//   cluster <16 hex digits>
//   node <decimal>
// and is written once, atomically, before anything else is.
#ifndef SISYPHUS_SERVER_DATA_DIRECTORY_H_
#define SISYPHUS_SERVER_DATA_DIRECTORY_H_

#include <memory>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "base/types.h"

namespace sisyphus::server {

class DataDirectory {
 public:
  // Opens or founds the directory for node `id`. `cluster_id`: what --cluster says, nullopt when
  // nothing was said (an existing directory keeps its own, a new one gets `fresh_cluster_id`).
  // kFailedPrecondition: in use by a living process, of another node, cluster or a newer format;
  // others: not writable, damaged.
  static StatusOr<DataDirectory> Open(FileSystem& fs, const std::string& path, NodeId id,
                                      const std::optional<std::string>& cluster_id,
                                      const std::string& fresh_cluster_id);

  const std::string& cluster_id() const { return cluster_id_; }
  std::string log_path() const { return path_ + "/log"; }
  std::string db_path() const { return path_ + "/db"; }
  std::string incoming_path() const { return path_ + "/incoming"; }
  std::string snapshot_path() const { return path_ + "/snapshots"; }

 private:
  std::string path_;
  std::string cluster_id_;
  std::unique_ptr<FileLock> lock_;
};

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_DATA_DIRECTORY_H_
