#include "node/snapshot_files.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "raft/membership.h"

namespace sisyphus::node {

namespace {

std::string MetaPath(const std::string& incoming) { return incoming + "/META"; }

std::string ReseedPath(const std::string& incoming) { return incoming + "/RESEED"; }

Status DeleteIfThere(FileSystem& fs, const std::string& path) {
  SIS_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  return exists ? fs.Delete(path) : OkStatus();
}

StatusOr<raft::SnapshotMeta> DecodeMeta(const std::string& path, std::string_view bytes) {
  const Status damaged = MakeStatus(StatusCode::kDataLoss, path + ": damaged");
  if (bytes.size() < 8) return damaged;
  const std::string_view content = bytes.substr(0, bytes.size() - 8);
  Decoder in(bytes);
  raft::SnapshotMeta meta;
  meta.last.index = Index(in.Fixed64());
  meta.last.term = Term(in.Fixed64());
  if (!in.ok() || DecodeFixed64(bytes.data() + content.size()) != Checksum(content) ||
      in.rest().size() < 8) {
    return damaged;
  }
  StatusOr<raft::Membership> membership =
      raft::DecodeMembership(in.rest().substr(0, in.rest().size() - 8));
  if (!membership.ok()) return damaged;
  meta.membership = *std::move(membership);
  return meta;
}

}  // namespace

Status RemoveTree(FileSystem& fs, const std::string& directory) {
  SIS_ASSIGN_OR_RETURN(const bool exists, fs.Exists(directory));
  if (!exists) return OkStatus();
  SIS_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    // A directory can be listed, a file cannot.
    if (fs.List(path).ok()) {
      SIS_RETURN_IF_ERROR(RemoveTree(fs, path));
    } else {
      SIS_RETURN_IF_ERROR(fs.Delete(path));
    }
  }
  return fs.Delete(directory);
}

Status CommitIncoming(FileSystem& fs, const std::string& incoming, const raft::SnapshotMeta& meta) {
  std::string bytes;
  PutFixed64(&bytes, meta.last.index.value());
  PutFixed64(&bytes, meta.last.term.value());
  bytes += raft::EncodeMembership(meta.membership);
  PutFixed64(&bytes, Checksum(bytes));
  return WriteFileAtomically(fs, MetaPath(incoming), bytes);
}

Status SwapIn(FileSystem& fs, const std::string& incoming, const std::string& db) {
  const std::string received = incoming + "/db";
  const std::string old = db + ".old";
  SIS_ASSIGN_OR_RETURN(const bool waiting, fs.Exists(received));
  if (waiting) {
    SIS_ASSIGN_OR_RETURN(const bool replaces, fs.Exists(db));
    if (replaces) {
      SIS_RETURN_IF_ERROR(RemoveTree(fs, old));
      SIS_RETURN_IF_ERROR(fs.Rename(db, old));
    }
    SIS_RETURN_IF_ERROR(fs.Rename(received, db));
    SIS_RETURN_IF_ERROR(fs.SyncDirectory(incoming));
    SIS_RETURN_IF_ERROR(fs.SyncDirectory(DirectoryOf(db)));
  }
  return RemoveTree(fs, old);
}

Status MarkForReseed(FileSystem& fs, const std::string& incoming, const std::string& reason) {
  return WriteFileAtomically(fs, ReseedPath(incoming), reason);
}

StatusOr<std::optional<std::string>> ReseedReason(FileSystem& fs, const std::string& incoming) {
  SIS_ASSIGN_OR_RETURN(const bool marked, fs.Exists(ReseedPath(incoming)));
  if (!marked) return std::optional<std::string>();
  SIS_ASSIGN_OR_RETURN(std::string reason, ReadWholeFile(fs, ReseedPath(incoming)));
  return std::optional<std::string>(std::move(reason));
}

Status ForgetIncoming(FileSystem& fs, const std::string& incoming) {
  SIS_ASSIGN_OR_RETURN(const bool marked, fs.Exists(ReseedPath(incoming)));
  if (marked) {
    SIS_RETURN_IF_ERROR(fs.Delete(ReseedPath(incoming)));
    SIS_RETURN_IF_ERROR(fs.SyncDirectory(incoming));
  }
  SIS_RETURN_IF_ERROR(DeleteIfThere(fs, MetaPath(incoming)));
  return fs.SyncDirectory(incoming);
}

StatusOr<std::optional<raft::SnapshotMeta>> RecoverIncoming(FileSystem& fs,
                                                            const std::string& incoming,
                                                            const std::string& db) {
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(incoming));
  SIS_ASSIGN_OR_RETURN(const bool accepted, fs.Exists(MetaPath(incoming)));
  if (!accepted) return std::optional<raft::SnapshotMeta>();
  SIS_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(fs, MetaPath(incoming)));
  SIS_ASSIGN_OR_RETURN(raft::SnapshotMeta meta, DecodeMeta(MetaPath(incoming), bytes));
  SIS_RETURN_IF_ERROR(SwapIn(fs, incoming, db));
  return std::optional<raft::SnapshotMeta>(std::move(meta));
}

}  // namespace sisyphus::node
