#include <algorithm>

#include "lsm/version.h"

namespace sisyphus::lsm {
namespace {

class LevelIterator final : public InternalIterator {
 public:
  LevelIterator(TableCache* tables, std::span<const TablePointer> list, bool fill_cache)
      : tables_(tables), list_(list), fill_cache_(fill_cache) {}

  bool Valid() const override { return status_.ok() && entry_ != nullptr && entry_->Valid(); }

  void SeekToFirst() override {
    if (Open(0)) entry_->SeekToFirst();
    SkipForward();
  }

  void SeekToLast() override {
    if (Open(list_.size() - 1)) entry_->SeekToLast();
    SkipBackward();
  }

  void Seek(const KeyView& target) override {
    const auto it = std::lower_bound(list_.begin(), list_.end(), target,
                                     [](const TablePointer& table, const KeyView& key) {
                                       return Compare(table->meta.largest(), key) < 0;
                                     });
    if (Open(static_cast<size_t>(it - list_.begin()))) entry_->Seek(target);
    SkipForward();
  }

  void Next() override {
    entry_->Next();
    SkipForward();
  }

  void Prev() override {
    entry_->Prev();
    SkipBackward();
  }

  KeyView key() const override { return entry_->key(); }
  std::string_view value() const override { return entry_->value(); }
  Status status() const override { return status_; }

 private:
  // Goes to table `i`. False behind either end of the list, or with status_ set.
  bool Open(size_t i) {
    status_ = OkStatus();
    if (i >= list_.size()) {
      entry_ = nullptr;
      return false;
    }
    if (entry_ != nullptr && at_ == i) return true;
    at_ = i;
    auto table = tables_->Find(list_[i]->meta.number());
    if (!table.ok()) {
      status_ = table.status();
      entry_ = nullptr;
      return false;
    }
    entry_ = (*table)->NewIterator(fill_cache_);
    return true;
  }

  bool AtTableEnd() {
    if (entry_ == nullptr || entry_->Valid()) return false;
    if (!entry_->status().ok()) status_ = entry_->status();
    return status_.ok();
  }

  void SkipForward() {
    while (AtTableEnd()) {
      if (Open(at_ + 1)) entry_->SeekToFirst();
    }
  }

  void SkipBackward() {
    while (AtTableEnd()) {
      // In front of the first table lies the same nothing as behind the last one.
      if (Open(at_ == 0 ? list_.size() : at_ - 1)) entry_->SeekToLast();
    }
  }

  TableCache* const tables_;
  const std::span<const TablePointer> list_;
  const bool fill_cache_;
  size_t at_ = 0;
  std::unique_ptr<InternalIterator> entry_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewLevelIterator(TableCache* tables,
                                                   std::span<const TablePointer> list,
                                                   bool fill_cache) {
  return std::make_unique<LevelIterator>(tables, list, fill_cache);
}

void Version::AddIterators(TableCache* tables, bool fill_cache,
                           std::vector<std::unique_ptr<InternalIterator>>* to) const {
  for (int i = 0; i < kLevels; ++i) {
    const TableList& list = level(i);
    if (list.empty()) continue;
    if (i > 0) {
      to->push_back(NewLevelIterator(tables, list, fill_cache));
      continue;
    }
    // An iterator for each table: they overlap.
    for (const TablePointer& table : list) {
      to->push_back(NewLevelIterator(tables, {&table, 1}, fill_cache));
    }
  }
}

}  // namespace sisyphus::lsm
