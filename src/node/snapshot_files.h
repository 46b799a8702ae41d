// A received snapshot on disk, and how it takes the place of the state machine's directory so that
// a crash at any point leaves either the old state or the whole new one.
//
//   INCOMING/db/      the checkpoint, file by file; a file still being received ends in ".part"
//   INCOMING/SOURCE   the node that sends it: its file names mean content only together with this
//   INCOMING/META     the snapshot was accepted by the core; from here on it replaces the state:
//                     index u64 | term u64 | membership (raft::EncodeMembership) |
//                     XXH3 u64 of all before
//   INCOMING/RESEED   the state machine's directory holds something else than the other replicas'
//                     and is to be replaced; why, in words
//
// Order: everything under db/ is synced, META is written, the Raft log is reset to META's position,
// the directories are swapped, RESEED and META are deleted. A start that finds META does what is
// left of this.
#ifndef SISYPHUS_NODE_SNAPSHOT_FILES_H_
#define SISYPHUS_NODE_SNAPSHOT_FILES_H_

#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "raft/types.h"

namespace sisyphus::node {

// Deletes `directory` with the files and directories in it, if it is there.
Status RemoveTree(FileSystem& fs, const std::string& directory);

// Marks the checkpoint in INCOMING/db as the state to be. Log actor.
Status CommitIncoming(FileSystem& fs, const std::string& incoming, const raft::SnapshotMeta& meta);

// Puts INCOMING/db in the place of `db`. Nothing may use either. Apply actor, or at the start.
Status SwapIn(FileSystem& fs, const std::string& incoming, const std::string& db);

// Remembers that the state is not to be trusted until it has been replaced. Snapshot actor.
Status MarkForReseed(FileSystem& fs, const std::string& incoming, const std::string& reason);
StatusOr<std::optional<std::string>> ReseedReason(FileSystem& fs, const std::string& incoming);

// After the log knows: forgets META, and RESEED before it.
Status ForgetIncoming(FileSystem& fs, const std::string& incoming);

// At the start, before the state machine and the log are opened: finishes a swap that a crash
// interrupted. Answers META's content while the log may not know of it yet. kDataLoss: META is
// damaged.
StatusOr<std::optional<raft::SnapshotMeta>> RecoverIncoming(FileSystem& fs,
                                                            const std::string& incoming,
                                                            const std::string& db);

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_SNAPSHOT_FILES_H_
