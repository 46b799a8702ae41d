// Importer: writes keys over several connections at once, in bounded memory.
//
// All lines of one key go over the same connection in their order, so that the last one is what
// stays. A connection writes what waits for it in transactions, as much as fits in one; what a
// transaction is refused for is found by writing its lines one by one. Writes carry an
// Idempotency-Key: one whose answer is lost is repeated, and done once.
//
// Threads: one uses it; it has one of its own for each connection.
#ifndef SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORTER_H_
#define SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORTER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "sisyphus/client.h"
#include "tools/sicli/transfer/dump_reader.h"

namespace sisyphus::sicli {

struct ImporterOptions {
  ClientOptions client;
  size_t connections = 1;
  bool if_absent = false;  // Keys that are there stay as they are.
};

struct ImportCounts {
  uint64_t written = 0;
  uint64_t kept = 0;      // They were there.
  uint64_t revision = 0;  // Of the last write; 0: there was none.
};

class Importer {
 public:
  static absl::StatusOr<std::unique_ptr<Importer>> Create(ImporterOptions options);
  ~Importer();  // Waits for the writes under way.
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  // Takes the key of the line at `place`, waits for room. False: a write has failed, nothing more
  // is taken.
  bool Add(const DumpPlace& place, KeyValue kv);

  // Waits for all writes; when one was refused, for those of the lines before it. What the first
  // line that could not be written failed with, and where that is.
  absl::Status Finish(DumpPlace* failed_at);

  // Every key before this place has been written. `next`: behind the last line that was added.
  DumpPlace DoneUpTo(const DumpPlace& next) const;
  ImportCounts counts() const;

 private:
  struct Item {
    DumpPlace place;
    KeyValue kv;
    size_t bytes() const { return kv.key.size() + kv.value.size(); }
  };
  // One connection. Its items stay queued until they are written.
  struct Lane {
    std::unique_ptr<Client> client;
    std::deque<Item> queue;
    CondVar filled;
    bool failed = false;  // Its first item cannot be written.
    std::thread thread;
  };
  using Batch = std::vector<const Item*>;

  explicit Importer(bool if_absent) : if_absent_(if_absent) {}
  void RunLane(Lane* lane);
  // The lane's first items, as many as make one write. Waits for the first. Empty: the end.
  Batch AwaitBatch(Lane* lane);
  // On failure `failed` is the item that it is about.
  absl::Status Write(Client* client, const Batch& batch, ImportCounts* done, const Item** failed);
  // kFailedPrecondition: some of the keys are there.
  absl::Status WriteTogether(Client* client, const Batch& batch, ImportCounts* done);
  absl::Status WriteOne(Client* client, const Item& item, ImportCounts* done);
  // What came of the lane's first items.
  void Settle(Lane* lane, const Batch& batch, const ImportCounts& done, const absl::Status& status,
              const Item* failed);
  void Close();

  const bool if_absent_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  mutable Mutex mu_;
  CondVar drained_;
  size_t queued_bytes_ SIS_GUARDED_BY(mu_) = 0;
  size_t queued_items_ SIS_GUARDED_BY(mu_) = 0;
  bool closed_ SIS_GUARDED_BY(mu_) = false;
  ImportCounts counts_ SIS_GUARDED_BY(mu_);
  absl::Status failure_ SIS_GUARDED_BY(mu_);
  DumpPlace failed_at_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORTER_H_
