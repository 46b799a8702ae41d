#include "lsm/db_iterator.h"

#include <string>

#include "base/check.h"
#include "sisyphus/options.h"

namespace sisyphus::lsm {
namespace {

// Moving forward, versions_ stands at the version that is shown. Moving backward it stands before
// all versions of the key that is shown, which are kept in key_ and value_: the newest visible
// version of a key is the last one that a backward walk meets.
class DbIterator final : public Iterator {
 public:
  DbIterator(std::unique_ptr<InternalIterator> versions, uint64_t sequence,
             std::shared_ptr<const void> pin)
      : pin_(std::move(pin)), sequence_limit_(sequence), versions_(std::move(versions)) {}

  bool Valid() const override { return valid_; }

  void SeekToFirst() override {
    versions_->SeekToFirst();
    FindForward(/*skip_key=*/false);
  }

  void SeekToLast() override {
    versions_->SeekToLast();
    FindBackward();
  }

  void Seek(std::string_view target) override {
    versions_->Seek(SeekKey(target, sequence_limit_));
    FindForward(/*skip_key=*/false);
  }

  void SeekForPrev(std::string_view target) override {
    // Behind every version of `target`, then back.
    key_.assign(target);
    versions_->Seek(AfterAllVersions(key_));
    StepBackFrom(AfterAllVersions(key_));
    FindBackward();
  }

  void Next() override {
    SIS_CHECK(valid_, "Next on an iterator that is not valid");
    if (forward_) {
      key_.assign(versions_->key().user_key);
    } else {
      versions_->Seek(AfterAllVersions(key_));
    }
    FindForward(/*skip_key=*/true);
  }

  void Prev() override {
    SIS_CHECK(valid_, "Prev on an iterator that is not valid");
    if (forward_) {
      key_.assign(versions_->key().user_key);
      // Before the newest version of the key, whether visible or not.
      versions_->Seek(SeekKey(key_, kMaxSequence));
      StepBackFrom(SeekKey(key_, kMaxSequence));
    }
    FindBackward();
  }

  std::string_view key() const override {
    return forward_ ? versions_->key().user_key : std::string_view(key_);
  }
  std::string_view value() const override {
    return forward_ ? versions_->value() : std::string_view(value_);
  }
  uint64_t sequence() const override {
    return forward_ ? versions_->key().sequence() : found_sequence_;
  }
  Status status() const override { return versions_->status(); }

 private:
  // After this many versions of one key in a row a seek is cheaper than walking on.
  static constexpr int kMaxSkips = 8;

  // Places versions_ before `at`, given that it stands at the first entry that is not.
  void StepBackFrom(const KeyView& at) {
    if (!versions_->Valid() && versions_->status().ok()) versions_->SeekToLast();
    while (versions_->Valid() && Compare(versions_->key(), at) >= 0) versions_->Prev();
  }

  // Finds the first key to show at or after versions_, not counting key_ when `skip_key`.
  void FindForward(bool skip_key) {
    forward_ = true;
    valid_ = false;
    int skips = 0;
    while (versions_->Valid()) {
      const KeyView at = versions_->key();
      if (skip_key && at.user_key == key_) {
        if (++skips > kMaxSkips) {
          versions_->Seek(AfterAllVersions(key_));
          skips = 0;
        } else {
          versions_->Next();
        }
      } else if (at.sequence() > sequence_limit_) {
        if (++skips > kMaxSkips) {
          hidden_key_.assign(at.user_key);
          versions_->Seek(SeekKey(hidden_key_, sequence_limit_));
          skips = 0;
        } else {
          versions_->Next();
        }
      } else if (at.kind() == Kind::kDelete) {
        key_.assign(at.user_key);
        skip_key = true;
        skips = 0;
        versions_->Next();
      } else {
        valid_ = true;
        return;
      }
    }
  }

  // Finds the last key to show at or before versions_.
  void FindBackward() {
    forward_ = false;
    valid_ = false;
    while (versions_->Valid() && !valid_) {
      key_.assign(versions_->key().user_key);
      int steps = 0;
      while (versions_->Valid() && versions_->key().user_key == key_ &&
             versions_->key().sequence() <= sequence_limit_) {
        if (++steps > kMaxSkips) {
          JumpToNewestVisible();
          break;
        }
        TakeVersion();
        versions_->Prev();
      }
      // Versions that are too new to be seen.
      int skips = 0;
      while (versions_->Valid() && versions_->key().user_key == key_) {
        if (++skips > kMaxSkips) {
          versions_->Seek(SeekKey(key_, kMaxSequence));
          StepBackFrom(SeekKey(key_, kMaxSequence));
        } else {
          versions_->Prev();
        }
      }
    }
    if (!versions_->status().ok()) valid_ = false;
  }

  // For keys with a long history: goes to the answer from the other side.
  void JumpToNewestVisible() {
    versions_->Seek(SeekKey(key_, sequence_limit_));
    SIS_CHECK(versions_->Valid() || !versions_->status().ok(), "a version that was there is gone");
    if (!versions_->Valid()) return;
    TakeVersion();
    versions_->Seek(SeekKey(key_, kMaxSequence));
    StepBackFrom(SeekKey(key_, kMaxSequence));
  }

  void TakeVersion() {
    const KeyView at = versions_->key();
    valid_ = at.kind() == Kind::kPut;
    found_sequence_ = at.sequence();
    if (valid_) value_.assign(versions_->value());
  }

  const std::shared_ptr<const void> pin_;
  const uint64_t sequence_limit_;
  const std::unique_ptr<InternalIterator> versions_;  // Destroyed before pin_.

  bool valid_ = false;
  bool forward_ = true;
  // Forward: the key to skip. Backward: the key that is shown, with its value and sequence number.
  std::string key_;
  std::string value_;
  uint64_t found_sequence_ = 0;
  std::string hidden_key_;  // Scratch of FindForward.
};

}  // namespace

std::unique_ptr<Iterator> NewDbIterator(std::unique_ptr<InternalIterator> versions,
                                        uint64_t sequence, std::shared_ptr<const void> pin) {
  return std::make_unique<DbIterator>(std::move(versions), sequence, std::move(pin));
}

}  // namespace sisyphus::lsm
