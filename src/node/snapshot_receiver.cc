#include "node/snapshot_receiver.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/planted.h"
#include "node/snapshot_files.h"

namespace sisyphus::node {

namespace {

constexpr uint32_t kChunkBytes = 256 << 10;
constexpr char kPart[] = ".part";

// A name that stays in its directory.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

bool IsTable(const std::string& name) { return name.ends_with(".sst"); }

}  // namespace

std::string SnapshotReceiver::PathOf(size_t file) const {
  return options_.incoming + "/db/" + transfer_->offer.files[file].name;
}

Status SnapshotReceiver::HandleOffer(NodeId from, SnapshotOffer offer) {
  if (complete_) return OkStatus();  // The last one is being installed.
  if (transfer_ && transfer_->from == from && transfer_->offer.snapshot_id == offer.snapshot_id) {
    transfer_->offer.request = std::move(offer.request);
    return OkStatus();
  }
  for (const SnapshotFile& file : offer.files) {
    if (!IsPlainName(file.name)) return OkStatus();  // Not from a node like us.
  }
  return Begin(from, std::move(offer));
}

Status SnapshotReceiver::Begin(NodeId from, SnapshotOffer offer) {
  transfer_.reset();
  FileSystem& fs = *options_.file_system;
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(options_.incoming));
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(options_.incoming + "/db"));
  SIS_RETURN_IF_ERROR(KeepFilesOf(from, offer));
  transfer_.emplace();
  transfer_->from = from;
  transfer_->offer = std::move(offer);
  transfer_->last_chunk = options_.clock->Now();
  return Advance();
}

// A table's name and size say what is in it, for one sender: it never uses a file number twice.
Status SnapshotReceiver::KeepFilesOf(NodeId from, const SnapshotOffer& offer) {
  FileSystem& fs = *options_.file_system;
  const std::string source_path = options_.incoming + "/SOURCE";
  SIS_ASSIGN_OR_RETURN(const bool has_source, fs.Exists(source_path));
  std::string source;
  if (has_source) {
    SIS_ASSIGN_OR_RETURN(source, ReadWholeFile(fs, source_path));
  }
  const bool same_source = source == ToString(from);
  SIS_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(options_.incoming + "/db"));
  for (const std::string& name : names) {
    const auto offered = std::find_if(offer.files.begin(), offer.files.end(),
                                      [&](const SnapshotFile& file) { return file.name == name; });
    const std::string path = options_.incoming + "/db/" + name;
    SIS_ASSIGN_OR_RETURN(const uint64_t size, fs.FileSize(path));
    const bool keep =
        same_source && IsTable(name) && offered != offer.files.end() && offered->size_bytes == size;
    if (!keep) SIS_RETURN_IF_ERROR(fs.Delete(path));
  }
  if (same_source) return OkStatus();
  return WriteFileAtomically(fs, source_path, ToString(from));
}

// Moves on to what is still lacking, and asks for it.
Status SnapshotReceiver::Advance() {
  FileSystem& fs = *options_.file_system;
  while (transfer_->file < transfer_->offer.files.size()) {
    SIS_ASSIGN_OR_RETURN(const bool there, fs.Exists(PathOf(transfer_->file)));
    if (!there) {
      SIS_ASSIGN_OR_RETURN(transfer_->part, fs.NewWritableFile(PathOf(transfer_->file) + kPart));
      transfer_->offset = 0;
      if (transfer_->offer.files[transfer_->file].size_bytes == 0) return FinishFile();
      Ask({});
      return OkStatus();
    }
    ++transfer_->file;
  }
  return FinishTransfer();
}

void SnapshotReceiver::Ask(Duration delay) {
  transfer_->sequence = ++sequence_;
  options_.actor->PostAfter(delay, [this, sequence = sequence_] {
    if (transfer_ && transfer_->sequence == sequence) SendRequest();
  });
}

void SnapshotReceiver::SendRequest() {
  if (options_.clock->Now() - transfer_->last_chunk > options_.give_up) {
    transfer_.reset();  // Files that are whole stay for the next offer.
    return;
  }
  SnapshotChunkRequest request{transfer_->offer.snapshot_id, static_cast<uint32_t>(transfer_->file),
                               transfer_->offset, kChunkBytes, /*done=*/false};
  options_.transport->Send(transfer_->from, {request});
  Ask(options_.retry);
}

Status SnapshotReceiver::HandleChunk(NodeId from, const SnapshotChunk& chunk) {
  if (!transfer_ || transfer_->from != from || transfer_->offer.snapshot_id != chunk.snapshot_id ||
      transfer_->file != chunk.file || transfer_->offset != chunk.offset) {
    return OkStatus();  // A late or repeated answer.
  }
  if (!chunk.status.ok()) {
    transfer_.reset();
    return OkStatus();
  }
  const uint64_t size = transfer_->offer.files[chunk.file].size_bytes;
  const bool fits = !chunk.data->empty() && chunk.offset + chunk.data->size() <= size;
  if (!fits || Checksum(*chunk.data) != chunk.checksum)
    return OkStatus();  // Asked for again in time.
  SIS_RETURN_IF_ERROR(transfer_->part->Append(*chunk.data));
  transfer_->offset += chunk.data->size();
  if (options_.received_bytes != nullptr) options_.received_bytes->Add(chunk.data->size());
  transfer_->last_chunk = options_.clock->Now();
  if (transfer_->offset == size) return FinishFile();
  Duration pace{};
  if (options_.bytes_per_second > 0) {
    pace = std::chrono::nanoseconds(std::chrono::seconds(1)) *
           static_cast<int64_t>(chunk.data->size()) /
           static_cast<int64_t>(options_.bytes_per_second);
  }
  Ask(pace);
  return OkStatus();
}

Status SnapshotReceiver::FinishFile() {
  FileSystem& fs = *options_.file_system;
  if (!SIS_PLANTED(kReceivedNotSynced)) SIS_RETURN_IF_ERROR(transfer_->part->Sync());
  SIS_RETURN_IF_ERROR(transfer_->part->Close());
  transfer_->part.reset();
  SIS_RETURN_IF_ERROR(fs.Rename(PathOf(transfer_->file) + kPart, PathOf(transfer_->file)));
  SIS_RETURN_IF_ERROR(fs.SyncDirectory(options_.incoming + "/db"));
  ++transfer_->file;
  return Advance();
}

Status SnapshotReceiver::FinishTransfer() {
  SIS_RETURN_IF_ERROR(options_.file_system->SyncDirectory(options_.incoming));
  SnapshotChunkRequest done{transfer_->offer.snapshot_id, 0, 0, 0, /*done=*/true};
  options_.transport->Send(transfer_->from, {done});
  raft::Message request = std::move(transfer_->offer.request);
  transfer_.reset();
  complete_ = true;
  options_.on_complete(std::move(request));
  return OkStatus();
}

Status SnapshotReceiver::Discard() {
  transfer_.reset();
  complete_ = false;
  return RemoveTree(*options_.file_system, options_.incoming + "/db");
}

}  // namespace sisyphus::node
