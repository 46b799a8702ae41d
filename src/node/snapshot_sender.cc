#include "node/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "node/snapshot_files.h"

namespace sisyphus::node {

namespace {

constexpr uint32_t kMaxChunkBytes = 1 << 20;

}  // namespace

Status SnapshotSender::Open() {
  SIS_RETURN_IF_ERROR(RemoveTree(*options_.file_system, options_.directory));
  SIS_RETURN_IF_ERROR(options_.file_system->CreateDirectory(options_.directory));
  // Ids of an earlier life of this process must not be taken for this one's.
  last_id_ = static_cast<uint64_t>(options_.clock->Now().time_since_epoch().count());
  return OkStatus();
}

StatusOr<SnapshotSender::Checkpoint> SnapshotSender::Prepare(Index at_least) {
  if (held_ && held_->checkpoint.position.index < at_least)
    SIS_RETURN_IF_ERROR(Drop(held_->checkpoint.id));
  if (held_) {
    held_->last_used = options_.clock->Now();
    return held_->checkpoint;
  }
  Held held;
  held.checkpoint.id = ++last_id_;
  held.path = options_.directory + "/" + std::to_string(held.checkpoint.id);
  SIS_ASSIGN_OR_RETURN(held.checkpoint.position, options_.state_machine->Checkpoint(held.path));
  SIS_ASSIGN_OR_RETURN(held.checkpoint.files, ListFiles(held.path));
  held.last_used = options_.clock->Now();
  held_ = std::move(held);
  Pin();
  return held_->checkpoint;
}

StatusOr<std::vector<SnapshotFile>> SnapshotSender::ListFiles(const std::string& path) {
  SIS_ASSIGN_OR_RETURN(const std::vector<std::string> names, options_.file_system->List(path));
  std::vector<SnapshotFile> files;
  for (const std::string& name : names) {
    SIS_ASSIGN_OR_RETURN(const uint64_t size, options_.file_system->FileSize(path + "/" + name));
    files.push_back({name, size});
  }
  return files;
}

void SnapshotSender::Pin() {
  pinned_.store(held_ ? std::max<uint64_t>(held_->checkpoint.position.index.value(), 1) : 0,
                std::memory_order_release);
}

std::optional<Index> SnapshotSender::Pinned() const {
  const uint64_t index = pinned_.load(std::memory_order_acquire);
  return index == 0 ? std::nullopt : std::optional<Index>(Index(index));
}

void SnapshotSender::Offer(const Checkpoint& checkpoint, raft::Message request) {
  const NodeId to = request.to;
  if (held_) held_->receivers[to] = options_.clock->Now();
  SnapshotOffer offer;
  offer.request = std::move(request);
  offer.snapshot_id = checkpoint.id;
  offer.files = checkpoint.files;
  std::vector<PeerMessage> messages;
  messages.emplace_back(std::move(offer));
  options_.transport->Send(to, std::move(messages));
}

SnapshotChunk SnapshotSender::ReadChunk(const Held& held, const SnapshotChunkRequest& request) {
  SnapshotChunk chunk{request.snapshot_id, request.file, request.offset, nullptr, 0, OkStatus()};
  const std::string path = held.path + "/" + held.checkpoint.files[request.file].name;
  const auto read = [&]() -> StatusOr<std::string> {
    SIS_ASSIGN_OR_RETURN(const auto file, options_.file_system->OpenForRead(path));
    std::string bytes(std::min(request.max_bytes, kMaxChunkBytes), '\0');
    SIS_ASSIGN_OR_RETURN(const std::string_view got,
                         file->ReadAt(request.offset, bytes.size(), bytes.data()));
    return std::string(got);
  };
  StatusOr<std::string> bytes = read();
  chunk.status = bytes.status();
  chunk.data = std::make_shared<const std::string>(bytes.ok() ? *std::move(bytes) : std::string());
  chunk.checksum = Checksum(*chunk.data);
  return chunk;
}

Status SnapshotSender::HandleRequest(NodeId from, const SnapshotChunkRequest& request) {
  SnapshotChunk chunk{request.snapshot_id,
                      request.file,
                      request.offset,
                      std::make_shared<const std::string>(),
                      0,
                      MakeStatus(StatusCode::kNotFound, "this snapshot is gone")};
  const bool known = held_ && held_->checkpoint.id == request.snapshot_id;
  if (known && request.done) {
    held_->receivers.erase(from);
    options_.on_sent(from, true);
    return OkStatus();
  }
  if (known && request.file < held_->checkpoint.files.size()) {
    held_->last_used = options_.clock->Now();
    held_->receivers[from] = held_->last_used;
    chunk = ReadChunk(*held_, request);
    // A file that cannot be read here is this node's damage, not the follower's.
    SIS_RETURN_IF_ERROR(chunk.status);
    if (options_.sent_bytes != nullptr) options_.sent_bytes->Add(chunk.data->size());
  }
  std::vector<PeerMessage> messages;
  messages.emplace_back(std::move(chunk));
  options_.transport->Send(from, std::move(messages));
  return OkStatus();
}

Status SnapshotSender::Expire() {
  if (!held_) return OkStatus();
  const MonotonicTime now = options_.clock->Now();
  for (auto it = held_->receivers.begin(); it != held_->receivers.end();) {
    if (now - it->second < options_.idle_limit) {
      ++it;
      continue;
    }
    const NodeId lost = it->first;
    it = held_->receivers.erase(it);
    options_.on_sent(lost, false);
  }
  if (!held_->receivers.empty() || now - held_->last_used < options_.idle_limit) return OkStatus();
  return DeleteHeld();
}

Status SnapshotSender::DeleteHeld() {
  const std::string path = held_->path;
  held_.reset();
  Pin();
  return RemoveTree(*options_.file_system, path);
}

Status SnapshotSender::Drop(uint64_t id) {
  if (!held_ || held_->checkpoint.id != id) return OkStatus();
  for (const auto& [peer, last_request] : held_->receivers) options_.on_sent(peer, false);
  return DeleteHeld();
}

}  // namespace sisyphus::node
