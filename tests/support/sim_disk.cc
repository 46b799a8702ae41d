#include "tests/support/sim_disk.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

void SetEntry(SimInode::Entries* entries, const SimDisk::Edit& edit) {
  if (edit.inode == nullptr) {
    entries->erase(edit.name);
  } else {
    (*entries)[edit.name] = edit.inode;
  }
}

}  // namespace

void SimContent::Write(uint64_t offset, std::string_view data) {
  if (offset == bytes.size()) {
    bytes.append(data);
    return;
  }
  if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size(), '\0');
  std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
}

void SimContent::Truncate(uint64_t size) {
  if (bytes.size() > size) bytes.resize(size);
  allocated = size;
}

SimInode::SimInode(bool directory, std::shared_ptr<std::atomic<uint64_t>> usage)
    : is_directory(directory), usage_(std::move(usage)) {}

SimInode::~SimInode() { *usage_ -= now_.size(); }

void SimInode::Account(uint64_t size_before) { *usage_ += now_.size() - size_before; }

void SimInode::Redo(const Change& change, SimContent* content) {
  switch (change.kind) {
    case Change::Kind::kWrite:
      content->Write(change.offset, change.data);
      break;
    case Change::Kind::kTruncate:
      content->Truncate(change.offset);
      break;
    case Change::Kind::kPreallocate:
      content->allocated = std::max(content->allocated, change.offset);
      break;
  }
}

SimContent SimInode::Durable() const {
  if (!grown_only_) return durable_;
  return {now_.bytes.substr(0, durable_bytes_), durable_allocated_};
}

std::string_view SimInode::DataOf(const Change& change) const {
  if (!grown_only_) return change.data;
  return std::string_view(now_.bytes).substr(change.offset, change.length);
}

void SimInode::Part() {
  if (!grown_only_) return;
  durable_ = Durable();
  for (Change& change : changes_) {
    if (change.kind == Change::Kind::kWrite) change.data = DataOf(change);
  }
  grown_only_ = false;
}

void SimInode::Write(uint64_t offset, std::string_view data) {
  const uint64_t before = now_.size();
  if (offset != now_.bytes.size()) Part();
  now_.Write(offset, data);
  Account(before);
  changes_.push_back({Change::Kind::kWrite, offset, data.size()});
  if (!grown_only_) changes_.back().data = data;
}

void SimInode::Truncate(uint64_t size) {
  const uint64_t before = now_.size();
  Part();
  changes_.push_back({Change::Kind::kTruncate, size});
  Redo(changes_.back(), &now_);
  Account(before);
}

void SimInode::Preallocate(uint64_t size) {
  const uint64_t before = now_.size();
  changes_.push_back({Change::Kind::kPreallocate, size});
  Redo(changes_.back(), &now_);
  Account(before);
}

void SimInode::Sync() {
  changes_.clear();
  grown_only_ = true;
  durable_bytes_ = now_.bytes.size();
  durable_allocated_ = now_.allocated;
  durable_ = {};
}

void SimInode::FlipBit(uint64_t offset, unsigned bit) {
  Part();
  for (SimContent* content : {&now_, &durable_}) {
    if (offset >= content->size()) continue;
    if (offset >= content->bytes.size()) content->bytes.resize(offset + 1, '\0');
    content->bytes[offset] = static_cast<char>(content->bytes[offset] ^ (1 << bit));
  }
}

void SimInode::Restore(SimContent content) {
  const uint64_t before = now_.size();
  now_ = std::move(content);
  Sync();
  Account(before);
}

SimContent SimInode::DrawCrash(Rng& rng) const {
  SimContent left = Durable();
  if (changes_.empty()) return left;
  const uint64_t fate = rng.Below(4);  // All lost, all kept, or (twice) in pieces.
  if (fate == 0) return left;
  if (fate == 1) return now_;
  const uint64_t keep_of_16 = rng.Between(1, 15);
  std::set<uint64_t> stale;  // Sectors that show none of the later writes.
  for (const Change& change : changes_) {
    if (change.kind != Change::Kind::kWrite) {
      if (!rng.Chance(keep_of_16, 16)) return left;
      Redo(change, &left);
      continue;
    }
    const std::string_view data = DataOf(change);
    const uint64_t end = change.offset + data.size();
    for (uint64_t at = change.offset; at < end;) {
      const uint64_t sector = at / kSectorBytes;
      const uint64_t next = std::min(end, (sector + 1) * kSectorBytes);
      if (!stale.contains(sector)) {
        if (rng.Chance(keep_of_16, 16)) {
          left.Write(at, data.substr(at - change.offset, next - at));
        } else {
          stale.insert(sector);
        }
      }
      at = next;
    }
  }
  // The length is metadata and travels apart from the bytes.
  if (rng.Chance(1, 2)) left.allocated = std::max(left.allocated, now_.size());
  return left;
}

SimDisk::SimDisk() : root_(NewInode(true)) {}

std::shared_ptr<SimInode> SimDisk::NewInode(bool is_directory) const {
  return std::make_shared<SimInode>(is_directory, usage_);
}

void SimDisk::Apply(std::vector<Edit> edits) {
  for (const Edit& edit : edits) {
    SIS_CHECK(edit.directory->is_directory, "only directories have entries");
    SetEntry(&edit.directory->entries, edit);
  }
  operations_.push_back(std::move(edits));
}

void SimDisk::SyncDirectory(const SimInode* directory) {
  // Backwards: an operation that must be durable pulls in all earlier ones of its directories.
  std::vector<const SimInode*> wanted = {directory};
  const auto is_wanted = [&wanted](const Edit& edit) {
    return std::find(wanted.begin(), wanted.end(), edit.directory.get()) != wanted.end();
  };
  std::vector<bool> durable(operations_.size());
  for (size_t i = operations_.size(); i-- > 0;) {
    const Operation& operation = operations_[i];
    durable[i] = std::any_of(operation.begin(), operation.end(), is_wanted);
    if (!durable[i]) continue;
    for (const Edit& edit : operation) {
      if (!is_wanted(edit)) wanted.push_back(edit.directory.get());
    }
  }
  size_t kept = 0;
  for (size_t i = 0; i < operations_.size(); ++i) {
    if (durable[i]) {
      for (const Edit& edit : operations_[i]) SetEntry(&edit.directory->durable_entries, edit);
    } else if (kept++ != i) {
      operations_[kept - 1] = std::move(operations_[i]);
    }
  }
  operations_.resize(kept);
}

// Copies what survives, inode by inode.
class SimDisk::CrashCopier {
 public:
  CrashCopier(const SimDisk& from, SimDisk* to, Rng& rng) : to_(to), rng_(rng) {
    const uint64_t keep_of_8 = rng.Between(0, 8);
    std::vector<const SimInode*> frozen;
    const auto is_frozen = [&frozen](const Edit& edit) {
      return std::find(frozen.begin(), frozen.end(), edit.directory.get()) != frozen.end();
    };
    for (const Operation& operation : from.operations_) {
      const bool blocked = std::any_of(operation.begin(), operation.end(), is_frozen);
      if (!blocked && rng.Chance(keep_of_8, 8)) {
        for (const Edit& edit : operation) SetEntry(&Survivors(edit.directory.get()), edit);
        continue;
      }
      for (const Edit& edit : operation) {
        if (!is_frozen(edit)) frozen.push_back(edit.directory.get());
      }
    }
  }

  void CopyDirectory(const SimInode* from, SimInode* to) {
    for (const auto& [name, inode] : Survivors(from)) {
      const auto [place, is_new] = copies_.try_emplace(inode.get());
      if (is_new) place->second = to_->NewInode(inode->is_directory);
      const std::shared_ptr<SimInode> copy = place->second;
      to->entries[name] = copy;
      if (!is_new) continue;
      if (inode->is_directory) {
        CopyDirectory(inode.get(), copy.get());
      } else {
        copy->Restore(inode->DrawCrash(rng_));
      }
    }
    to->durable_entries = to->entries;
  }

 private:
  SimInode::Entries& Survivors(const SimInode* directory) {
    return survivors_.try_emplace(directory, directory->durable_entries).first->second;
  }

  SimDisk* const to_;
  Rng& rng_;
  // Looked up only, never walked: addresses decide no order.
  std::unordered_map<const SimInode*, SimInode::Entries> survivors_;
  std::unordered_map<const SimInode*, std::shared_ptr<SimInode>> copies_;
};

std::unique_ptr<SimDisk> SimDisk::DrawCrash(Rng& rng) const {
  auto crashed = std::make_unique<SimDisk>();
  CrashCopier copier(*this, crashed.get(), rng);
  copier.CopyDirectory(root_.get(), crashed->root_.get());
  return crashed;
}

}  // namespace sisyphus::testing
