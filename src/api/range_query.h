// What a client asks of a range of keys, out of the query of its request.
#ifndef SISYPHUS_API_RANGE_QUERY_H_
#define SISYPHUS_API_RANGE_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/api.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/interval_index.h"
#include "kv/store.h"

namespace sisyphus::api {

// All keys that begin with `prefix`.
kv::KeyRange PrefixRange(std::string_view prefix);

// `prefix=`, or `start=` and `end=` of which one may be left out; with `key`, also `key=`. Nothing:
// none of them is there.
StatusOr<std::optional<kv::KeyRange>> TakeRange(Parameters* parameters, bool key);

// The number of parameter `name`, if it is there.
StatusOr<std::optional<uint64_t>> TakeNumber(Parameters* parameters, std::string_view name);

struct RangeQuery {
  kv::KeyRange range;
  std::optional<uint64_t> limit;  // Nothing: the default of the kind of answer.
  bool keys_only = false;
  bool count_only = false;
  bool reverse = false;
  std::optional<Index> revision;  // Nothing: the newest.
  kv::ReadTerms terms;
};
// kInvalidArgument says what cannot be served.
StatusOr<RangeQuery> ParseRangeQuery(std::string_view query);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_RANGE_QUERY_H_
