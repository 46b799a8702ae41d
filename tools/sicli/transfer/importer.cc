#include "tools/sicli/transfer/importer.h"

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <utility>

#include "base/status.h"

namespace sisyphus::sicli {
namespace {

// Of all lanes together; one more item may exceed it.
constexpr size_t kMaxQueuedBytes = 16 << 20;
constexpr size_t kMaxQueuedItems = 64 << 10;
// Of one write. Escaped and in base64 it stays far below the 16 MiB of a transaction, and with its
// comparisons below 1,024 operations.
constexpr size_t kMaxBatchBytes = 256 << 10;
constexpr size_t kMaxBatchItems = 256;

// A transaction was refused for something that is in it: not for where or when it was sent.
bool IsAboutContent(const Status& status) {
  return status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kFailedPrecondition;
}

}  // namespace

StatusOr<std::unique_ptr<Importer>> Importer::Create(ImporterOptions options) {
  options.client.safe_retries = true;
  std::unique_ptr<Importer> importer(new Importer(options.if_absent));
  for (size_t i = 0; i < options.connections; ++i) {
    importer->lanes_.push_back(std::make_unique<Lane>());
    SIS_ASSIGN_OR_RETURN(importer->lanes_.back()->client, Client::Create(options.client));
  }
  for (const auto& lane : importer->lanes_) {
    lane->thread = std::thread([raw = importer.get(), &lane] { raw->RunLane(lane.get()); });
  }
  return importer;
}

Importer::~Importer() {
  Close();
  for (const auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

void Importer::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  for (const auto& lane : lanes_) lane->filled.Signal();
}

bool Importer::Add(const DumpPlace& place, KeyValue kv) {
  Item item{place, std::move(kv)};
  Lane& lane = *lanes_[std::hash<std::string>()(item.kv.key) % lanes_.size()];
  MutexLock lock(mu_);
  while (failure_.ok() && (queued_bytes_ >= kMaxQueuedBytes || queued_items_ >= kMaxQueuedItems)) {
    drained_.Wait(mu_);
  }
  if (!failure_.ok()) return false;
  queued_bytes_ += item.bytes();
  ++queued_items_;
  lane.queue.push_back(std::move(item));
  if (lane.queue.size() == 1) lane.filled.Signal();
  return true;
}

Status Importer::Finish(DumpPlace* failed_at) {
  Close();
  for (const auto& lane : lanes_) lane->thread.join();
  MutexLock lock(mu_);
  *failed_at = failed_at_;
  return failure_;
}

DumpPlace Importer::DoneUpTo(const DumpPlace& next) const {
  MutexLock lock(mu_);
  DumpPlace done = next;
  for (const auto& lane : lanes_) {
    if (!lane->queue.empty() && lane->queue.front().place.line < done.line) {
      done = lane->queue.front().place;
    }
  }
  return done;
}

ImportCounts Importer::counts() const {
  MutexLock lock(mu_);
  return counts_;
}

void Importer::RunLane(Lane* lane) {
  while (true) {
    const Batch batch = AwaitBatch(lane);
    if (batch.empty()) return;
    ImportCounts done;
    const Item* failed = nullptr;
    const Status status = Write(lane->client.get(), batch, &done, &failed);
    Settle(lane, batch, done, status, failed);
  }
}

Importer::Batch Importer::AwaitBatch(Lane* lane) {
  Batch batch;
  std::unordered_set<std::string_view> keys;
  size_t bytes = 0;
  MutexLock lock(mu_);
  while (lane->queue.empty() && !closed_ && failure_.ok()) lane->filled.Wait(mu_);
  if (lane->failed || (!failure_.ok() && !IsAboutContent(failure_))) return batch;
  for (const Item& item : lane->queue) {
    // What stands before a bad line is written all the same.
    if (!failure_.ok() && item.place.line > failed_at_.line) break;
    bytes += item.bytes();
    if (batch.size() == kMaxBatchItems || (!batch.empty() && bytes > kMaxBatchBytes)) break;
    // Both would find the key absent.
    if (if_absent_ && !keys.insert(item.kv.key).second) break;
    batch.push_back(&item);
  }
  return batch;
}

void Importer::Settle(Lane* lane, const Batch& batch, const ImportCounts& done,
                      const Status& status, const Item* failed) {
  MutexLock lock(mu_);
  counts_.written += done.written;
  counts_.kept += done.kept;
  counts_.revision = std::max(counts_.revision, done.revision);
  for (const Item* item : batch) {
    if (!status.ok() && item == failed) break;
    queued_bytes_ -= item->bytes();
    --queued_items_;
    lane->queue.pop_front();
  }
  if (!status.ok()) {
    if (failure_.ok() || failed->place.line < failed_at_.line) {
      failure_ = status;
      failed_at_ = failed->place;
    }
    lane->failed = true;
    for (const auto& each : lanes_) each->filled.Signal();
  }
  drained_.SignalAll();
}

Status Importer::Write(Client* client, const Batch& batch, ImportCounts* done,
                       const Item** failed) {
  *failed = batch.front();
  if (batch.size() > 1) {
    const Status status = WriteTogether(client, batch, done);
    if (!IsAboutContent(status)) return status;
  }
  for (const Item* item : batch) {
    *failed = item;
    SIS_RETURN_IF_ERROR(WriteOne(client, *item, done));
  }
  return OkStatus();
}

Status Importer::WriteTogether(Client* client, const Batch& batch, ImportCounts* done) {
  Transaction transaction;
  for (const Item* item : batch) {
    if (if_absent_) transaction.compare.push_back({.key = item->kv.key, .number = 0});
    transaction.then.push_back({.kind = TxnOperation::Kind::kPut,
                                .key = item->kv.key,
                                .value = item->kv.value,
                                .lease = item->kv.lease});
  }
  SIS_ASSIGN_OR_RETURN(const TxnResult result, client->Txn(transaction));
  if (!result.succeeded) return MakeStatus(StatusCode::kFailedPrecondition, "some keys are there");
  done->written += batch.size();
  done->revision = result.revision;
  return OkStatus();
}

Status Importer::WriteOne(Client* client, const Item& item, ImportCounts* done) {
  const auto result =
      client->Put(item.kv.key, item.kv.value, {.if_absent = if_absent_, .lease = item.kv.lease});
  if (if_absent_ && result.status().code() == StatusCode::kFailedPrecondition) {
    ++done->kept;
    return OkStatus();
  }
  SIS_RETURN_IF_ERROR(result.status());
  ++done->written;
  done->revision = result->revision;
  return OkStatus();
}

}  // namespace sisyphus::sicli
