#include "server/data_directory.h"

#include <cstdlib>
#include <sstream>
#include <utility>

namespace sisyphus::server {

namespace {

constexpr char kTitle[] = "sisyphusdb data directory";
constexpr uint64_t kFormat = 1;

struct Identity {
  std::string cluster;
  NodeId node;
};

std::string EncodeIdentity(const Identity& identity) {
  return std::string(kTitle) + "\nformat " + std::to_string(kFormat) + "\ncluster " +
         identity.cluster + "\nnode " + ToString(identity.node) + "\n";
}

StatusOr<Identity> DecodeIdentity(const std::string& path, const std::string& text) {
  std::istringstream in(text);
  std::string title;
  std::string word;
  uint64_t format = 0;
  uint64_t node = 0;
  Identity identity;
  std::getline(in, title);
  if (title != kTitle || !(in >> word >> format) || word != "format") {
    return MakeStatus(StatusCode::kDataLoss, path + ": not an identity file of SisyphusDB");
  }
  if (format > kFormat) {
    return MakeStatus(StatusCode::kFailedPrecondition, path + ": format " + std::to_string(format) +
                                                           " is newer than this server's " +
                                                           std::to_string(kFormat) +
                                                           "; start a newer sisyphusd");
  }
  if (!(in >> word >> identity.cluster) || word != "cluster" || !(in >> word >> node) ||
      word != "node" || node == 0) {
    return MakeStatus(StatusCode::kDataLoss, path + ": damaged");
  }
  identity.node = NodeId(node);
  return identity;
}

}  // namespace

StatusOr<DataDirectory> DataDirectory::Open(FileSystem& fs, const std::string& path, NodeId id,
                                            const std::optional<std::string>& cluster_id,
                                            const std::string& fresh_cluster_id) {
  DataDirectory directory;
  directory.path_ = path;
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(path));
  SIS_ASSIGN_OR_RETURN(directory.lock_, fs.Lock(path + "/LOCK"));
  const std::string file = path + "/IDENTITY";
  SIS_ASSIGN_OR_RETURN(const bool exists, fs.Exists(file));
  if (!exists) {
    directory.cluster_id_ = cluster_id.value_or(fresh_cluster_id);
    SIS_RETURN_IF_ERROR(WriteFileAtomically(fs, file, EncodeIdentity({directory.cluster_id_, id})));
    SIS_RETURN_IF_ERROR(fs.SyncDirectory(DirectoryOf(path)));
    return directory;
  }
  SIS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(fs, file));
  SIS_ASSIGN_OR_RETURN(const Identity identity, DecodeIdentity(file, text));
  if (identity.node != id) {
    return MakeStatus(
        StatusCode::kFailedPrecondition,
        path + ": belongs to node " + ToString(identity.node) + ", not to node " + ToString(id));
  }
  if (cluster_id && *cluster_id != identity.cluster) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      path + ": belongs to cluster " + identity.cluster +
                          ", but --cluster names cluster " + *cluster_id +
                          "; start with the members that founded it");
  }
  directory.cluster_id_ = identity.cluster;
  return directory;
}

}  // namespace sisyphus::server
