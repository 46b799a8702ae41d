#include "lsm/memtable.h"

namespace sisyphus::lsm {
namespace {

class MemtableIterator final : public InternalIterator {
 public:
  explicit MemtableIterator(const SkipList* list) : list_(list) {}

  bool Valid() const override { return node_ != nullptr; }
  void SeekToFirst() override { node_ = list_->First(); }
  void SeekToLast() override { node_ = list_->Last(); }
  void Seek(const KeyView& target) override { node_ = list_->AtOrAfter(target); }
  void Next() override { node_ = node_->next(); }
  void Prev() override { node_ = list_->Before(node_->key()); }
  KeyView key() const override { return node_->key(); }
  std::string_view value() const override { return node_->value(); }
  Status status() const override { return OkStatus(); }

 private:
  const SkipList* const list_;
  const SkipList::Node* node_ = nullptr;
};

}  // namespace

void Memtable::Add(const WriteBatch& batch, uint64_t sequence) {
  // Backwards: the last operation on a key goes in first, and earlier ones are refused as versions
  // that exist.
  for (size_t i = batch.count(); i-- > 0;) {
    const WriteBatch::Operation operation = batch.at(i);
    list_.Insert({operation.key, PackTrailer(sequence, operation.kind)}, operation.value);
  }
}

std::optional<Memtable::Found> Memtable::Get(std::string_view user_key, uint64_t sequence) const {
  const SkipList::Node* node = list_.AtOrAfter(SeekKey(user_key, sequence));
  if (node == nullptr || node->key().user_key != user_key) return std::nullopt;
  return Found{node->key().kind(), node->key().sequence(), node->value()};
}

std::unique_ptr<InternalIterator> Memtable::NewIterator() const {
  return std::make_unique<MemtableIterator>(&list_);
}

}  // namespace sisyphus::lsm
