// Transactions: comparisons, and what happens if all of them hold, or else.
//
// Operations are done in their order, at one revision; each sees what those before it wrote.
//
// Bytes (bytes: a varint length and the content):
//
//   command      4 | format u8 (1) | count varint, comparisons | count varint, operations (then) |
//                count varint, operations (else)
//   comparison   target u8 | relation u8 | key bytes | value bytes (of a value), or number varint
//   operation    1 put     flags u8 | lease varint (16) | TTL in ms varint (32) | key bytes |
//                          value bytes
//                2 get     flags u8 | limit varint | start bytes | end bytes (a range)
//                3 delete  flags u8 | start bytes | end bytes (a range)
//   flags        1 a range [start, end), where an empty end is none; else the one key `start`;
//                2 no values, 4 the number of keys only, 8 the last key first (get);
//                16 a lease, 32 a TTL (put)
//
//   result       4 | succeeded u8 | count varint, one result for each operation done
//   of a put     1 | version varint | created u8
//   of a get     2 | more u8 | number of keys varint | count varint, and for each key: key bytes |
//                create varint | mod varint | version varint | lease varint | value bytes
//   of a delete  3 | number of keys varint
#ifndef SISYPHUS_KV_TXN_H_
#define SISYPHUS_KV_TXN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kv/command.h"
#include "kv/draft.h"
#include "kv/value.h"

namespace sisyphus::kv {

inline constexpr size_t kMaxTxnOperations = 1'024;  // Comparisons, then and else together.
static_assert(kMaxTxnOperations <= kLeasesAnEntry, "each put may have a lease of its own");
inline constexpr uint64_t kDefaultTxnLimit = 1'000;

// A key that does not exist has the number 0 everywhere and no value: of the comparisons of its
// value only "differs" holds.
struct Comparison {
  enum class Target : uint8_t { kValue = 1, kVersion, kCreateRevision, kModRevision, kLease };
  enum class Relation : uint8_t { kEqual = 1, kDiffers, kLess, kGreater };
  Target target = Target::kValue;
  Relation relation = Relation::kEqual;
  std::string key;
  std::string value;    // Of a value: compared as bytes.
  uint64_t number = 0;  // Of all others.
};

struct TxnOperation {
  enum class Kind : uint8_t { kPut = 1, kGet, kDelete };
  Kind kind = Kind::kGet;
  std::string key;                    // Of a range its start, which may be empty.
  std::string value;                  // Put.
  LeaseChoice lease;                  // Put.
  bool range = false;                 // Get and delete.
  std::string end;                    // Of a range.
  uint64_t limit = kDefaultTxnLimit;  // Get.
  bool keys_only = false;
  bool count_only = false;
  bool reverse = false;
};

struct Txn {
  std::vector<Comparison> compare;
  std::vector<TxnOperation> then;
  std::vector<TxnOperation> otherwise;
};

struct TxnOperationResult {
  TxnOperation::Kind kind = TxnOperation::Kind::kGet;
  uint64_t version = 0;  // Put.
  bool created = false;
  std::vector<std::pair<std::string, VersionedValue>> found;  // Get.
  uint64_t count = 0;  // Get: keys found, also if none is shown; delete: keys deleted.
  bool more = false;   // Get: the limit left some out.
};

struct TxnResult {
  bool succeeded = false;  // Every comparison held: `then` was done.
  std::vector<TxnOperationResult> results;
};

std::string EncodeTxn(const Txn& txn);
// kDataLoss: malformed or of a newer version.
StatusOr<Txn> DecodeTxn(std::string_view bytes);

StatusOr<TxnResult> DecodeTxnResult(std::string_view bytes);

// Decides the transaction that `command` is and writes it to `draft`; answers the result's bytes,
// or those of a refusal: then the draft is to be thrown away.
StatusOr<std::string> ApplyTxn(std::string_view command, Draft* draft);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_TXN_H_
