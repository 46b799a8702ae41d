#include "kv/watch.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/coding.h"
#include "kv/history.h"
#include "kv/machine.h"

namespace sisyphus::kv {
namespace {

// Change records looked at in one piece.
constexpr size_t kMaxRecords = 4'096;

StatusOr<std::optional<VersionedValue>> ValueAt(DB& tree, std::string_view key, Index revision) {
  ReadOptions options;
  options.sequence = revision.value();
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, tree.Get(options, TreeKey(key), &found));
  if (!exists) return std::optional<VersionedValue>();
  SIS_ASSIGN_OR_RETURN(VersionedValue value, DecodeTreeValue(found.value, Index(found.sequence)));
  return std::optional<VersionedValue>(std::move(value));
}

size_t SizeOf(const WatchEvent& event) {
  size_t size = sizeof(WatchEvent) + event.key.size();
  if (event.value) size += event.value->value.size();
  if (event.previous) size += event.previous->value.size();
  return size;
}

}  // namespace

// Gathers events up to a size. The newest one is held back until it is known whether it is the last
// of its revision.
class Watch::Collector {
 public:
  Collector(size_t max_bytes, std::vector<WatchEvent>* events)
      : max_bytes_(max_bytes), events_(events) {}

  bool full() const { return bytes_ >= max_bytes_; }

  void Add(WatchEvent event, uint32_t part) {
    if (held_) Deliver();
    held_ = std::move(event);
    held_part_ = part;
  }

  // The revision has no more events.
  void EndRevision() {
    if (!held_) return;
    held_->last_of_revision = true;
    Deliver();
  }

  // Leaves `revision` in the middle, having come to `part`: moves the place behind what is
  // delivered, and drops what is held back.
  void Interrupt(Index revision, uint32_t part, uint32_t* resume_part,
                 std::optional<std::string>* after) {
    *resume_part = held_ ? held_part_ : part;
    held_.reset();
    if (!events_->empty() && events_->back().revision == revision) *after = events_->back().key;
  }

 private:
  void Deliver() {
    bytes_ += SizeOf(*held_);
    events_->push_back(*std::move(held_));
    held_.reset();
  }

  const size_t max_bytes_;
  std::vector<WatchEvent>* const events_;
  std::optional<WatchEvent> held_;
  uint32_t held_part_ = 0;
  size_t bytes_ = 0;
};

Watch::Watch(Machine* machine, WatchRequest request, std::unique_ptr<WatchFeed::Seat> seat)
    : machine_(machine),
      request_(std::move(request)),
      seat_(std::move(seat)),
      next_(request_.from),
      woken_next_(std::make_shared<std::atomic<uint64_t>>(0)) {}

StatusOr<std::unique_ptr<Watch>> Watch::Open(Machine* machine, WatchRequest request) {
  if (request.from <= machine->history_floor()) return CompactedError(machine->history_floor());
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<WatchFeed::Seat> seat, machine->feed().Open(request.range));
  return std::unique_ptr<Watch>(new Watch(machine, std::move(request), std::move(seat)));
}

Index Watch::told() const {
  const Index told = next_.Previous();
  return told <= machine_->feed().applied() ? told : Index();
}

StatusOr<Watch::Piece> Watch::Read(size_t max_bytes) {
  const Index woken(woken_next_->load());
  if (woken > next_) next_ = woken;
  Piece piece;
  Collector out(max_bytes, &piece.events);
  const Index begin = next_;
  // An interrupted revision is continued where it was begun: in the tree its keys are the same.
  const WatchFeed::Taken taken = machine_->feed().Take(next_);
  if (taken.in_ring) {
    SIS_RETURN_IF_ERROR(ReadRing(taken, &out));
    piece.caught_up = taken.to_end && next_ > taken.through;
  } else {
    machine_->feed().CountTreeRead();
    const std::shared_ptr<DB> tree = machine_->db();
    SIS_RETURN_IF_ERROR(ReadTree(*tree, &out));
  }
  // After the reading: what it saw was whole if the floor has not passed it until now.
  if (begin <= machine_->history_floor()) return CompactedError(machine_->history_floor());
  WatchFeed::NoteRead(seat_.get(), next_.Previous());
  return piece;
}

Status Watch::ReadRing(const WatchFeed::Taken& taken, Collector* out) {
  std::shared_ptr<DB> tree;
  if (request_.previous) tree = machine_->db();
  for (const ChangePointer& change : taken.changes) {
    const auto& operations = change->operations;
    const bool resumed = change->revision == next_ && after_.has_value();
    auto it = std::partition_point(operations.begin(), operations.end(), [&](const auto& o) {
      return resumed ? o.key <= *after_ : o.key < request_.range.start;
    });
    for (; it != operations.end() && !request_.range.EndsBefore(it->key); ++it) {
      if (out->full()) {
        next_ = change->revision;
        if (!resumed) after_.reset();
        out->Interrupt(next_, 0, &part_, &after_);
        return OkStatus();
      }
      WatchEvent event{.revision = change->revision, .key = it->key};
      if (it->put) {
        SIS_ASSIGN_OR_RETURN(event.value, DecodeTreeValue(it->tree_value, change->revision));
      }
      if (tree != nullptr) SIS_RETURN_IF_ERROR(ReadPrevious(*tree, &event));
      out->Add(std::move(event), 0);
    }
    out->EndRevision();
  }
  if (taken.through >= next_) {
    next_ = taken.through.Next();
    after_.reset();
    part_ = 0;
  }
  return OkStatus();
}

Status Watch::ReadPrevious(DB& tree, WatchEvent* event) const {
  SIS_ASSIGN_OR_RETURN(event->previous, ValueAt(tree, event->key, event->revision.Previous()));
  return OkStatus();
}

Status Watch::ReadTree(DB& tree, Collector* out) {
  const Index through(tree.last_written().sequence);
  ReadOptions options;
  options.sequence = through.value();
  const std::unique_ptr<Iterator> records = tree.NewIterator(options);
  size_t looked_at = 0;
  records->Seek(ChangeRecordKey(next_, part_));
  while (records->Valid()) {
    const std::optional<ChangeRecordPlace> place = ParseChangeRecordKey(records->key());
    if (!place) break;
    if (place->revision != next_) {
      out->EndRevision();
      next_ = place->revision;
      after_.reset();
    }
    part_ = place->part;
    if (out->full() || looked_at++ == kMaxRecords) {
      out->Interrupt(next_, part_, &part_, &after_);
      return OkStatus();
    }
    SIS_ASSIGN_OR_RETURN(const RecordEnd end, ReadRecord(tree, records->value(), out));
    if (end == RecordEnd::kFull) return OkStatus();
    if (end == RecordEnd::kPassed) {
      records->Seek(ChangeRecordKey(next_.Next(), 0));
    } else {
      records->Next();
    }
  }
  SIS_RETURN_IF_ERROR(records->status());
  out->EndRevision();
  next_ = std::max(next_, through.Next());
  part_ = 0;
  after_.reset();
  return OkStatus();
}

StatusOr<Watch::RecordEnd> Watch::ReadRecord(DB& tree, std::string_view record, Collector* out) {
  Decoder in(record);
  while (!in.rest().empty()) {
    const std::string_view key = in.LengthPrefixed();
    if (!in.ok()) {
      return MakeStatus(StatusCode::kDataLoss, "malformed change record of " + ToString(next_));
    }
    if (request_.range.EndsBefore(key)) return RecordEnd::kPassed;
    if (key < request_.range.start || (after_ && key <= *after_)) continue;
    if (out->full()) {
      out->Interrupt(next_, part_, &part_, &after_);
      return RecordEnd::kFull;
    }
    WatchEvent event{.revision = next_, .key = std::string(key)};
    SIS_ASSIGN_OR_RETURN(event.value, ValueAt(tree, key, next_));
    if (request_.previous) SIS_RETURN_IF_ERROR(ReadPrevious(tree, &event));
    out->Add(std::move(event), part_);
  }
  return RecordEnd::kWhole;
}

bool Watch::Park(absl::AnyInvocable<void(bool progress)> wake) {
  return machine_->feed().Park(
      seat_.get(), next_.Previous(),
      [woken = woken_next_, then = std::move(wake)](Index next, bool progress) mutable {
        woken->store(next.value());
        then(progress);
      });
}

void Watch::Cancel() { machine_->feed().Unpark(seat_.get()); }

}  // namespace sisyphus::kv
