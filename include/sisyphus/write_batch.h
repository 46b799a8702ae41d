// WriteBatch: puts and deletes that become visible together, at one sequence number.
#ifndef SISYPHUS_WRITE_BATCH_H_
#define SISYPHUS_WRITE_BATCH_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sisyphus {

class WriteBatch {
 public:
  enum class Kind : unsigned char { kDelete = 0, kPut = 1 };
  struct Operation {
    Kind kind;
    std::string_view key;
    std::string_view value;  // Empty for kDelete.
  };

  // Copies `key` and `value`. A later operation on the same key replaces the earlier one when the
  // batch is written.
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void Clear();

  size_t count() const { return entries_.size(); }
  size_t bytes() const { return bytes_.size(); }  // Of all keys and values.
  bool empty() const { return entries_.empty(); }

  // In the order added. The views are valid until the batch changes.
  Operation at(size_t i) const;

 private:
  struct Entry {
    Kind kind;
    size_t offset;  // Of the key in bytes_; the value follows it.
    size_t key_size;
    size_t value_size;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
};

}  // namespace sisyphus

#endif  // SISYPHUS_WRITE_BATCH_H_
