#include "api/range_query.h"

#include <utility>

#include "api/cursor.h"
#include "api/read_terms.h"

namespace sisyphus::api {
namespace {

Status Invalid(std::string message) {
  return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
}

bool Within(const kv::KeyRange& inner, const kv::KeyRange& outer) {
  return inner.start >= outer.start &&
         (outer.end.empty() || (!inner.end.empty() && inner.end <= outer.end));
}

// What the cursor says takes the place of what the first request of the walk said.
Status ApplyCursor(std::string_view text, const std::optional<kv::KeyRange>& range,
                   RangeQuery* query) {
  SIS_ASSIGN_OR_RETURN(Cursor cursor, DecodeCursor(text));
  if (range && !Within(cursor.rest, *range)) return Invalid("the cursor is of another range");
  if (query->revision && *query->revision != cursor.revision) {
    return Invalid("the cursor is of another revision");
  }
  query->range = std::move(cursor.rest);
  query->revision = cursor.revision;
  query->reverse = cursor.reverse;
  return OkStatus();
}

}  // namespace

kv::KeyRange PrefixRange(std::string_view prefix) {
  kv::KeyRange range{std::string(prefix), std::string(prefix)};
  while (!range.end.empty() && static_cast<uint8_t>(range.end.back()) == 0xff) range.end.pop_back();
  if (!range.end.empty()) ++range.end.back();
  return range;
}

StatusOr<std::optional<kv::KeyRange>> TakeRange(Parameters* parameters, bool key) {
  const QueryParameter* prefix = parameters->Take("prefix");
  const QueryParameter* start = parameters->Take("start");
  const QueryParameter* end = parameters->Take("end");
  const QueryParameter* single = key ? parameters->Take("key") : nullptr;
  const int kinds = (prefix != nullptr ? 1 : 0) + (start != nullptr || end != nullptr ? 1 : 0) +
                    (single != nullptr ? 1 : 0);
  if (kinds > 1) {
    return Invalid(key ? "give key, prefix, or start and end" : "give prefix, or start and end");
  }
  if (kinds == 0) return std::optional<kv::KeyRange>();
  if (prefix != nullptr) return PrefixRange(prefix->value);
  if (single != nullptr) {
    if (single->value.empty()) return Invalid("the key is empty");
    return kv::KeyRange{single->value, single->value + '\0'};
  }
  kv::KeyRange range;
  if (start != nullptr) range.start = start->value;
  if (end != nullptr) {
    if (end->value.empty())
      return Invalid("the end is empty; leave it out for all keys from start");
    range.end = end->value;
  }
  return range;
}

StatusOr<std::optional<uint64_t>> TakeNumber(Parameters* parameters, std::string_view name) {
  const QueryParameter* parameter = parameters->Take(name);
  if (parameter == nullptr) return std::optional<uint64_t>();
  uint64_t number = 0;
  if (!ParseNumber(parameter->value, &number)) {
    return Invalid("the parameter " + std::string(name) + " is a number");
  }
  return number;
}

StatusOr<RangeQuery> ParseRangeQuery(std::string_view text) {
  SIS_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Parse(text));
  RangeQuery query;
  SIS_ASSIGN_OR_RETURN(std::optional<kv::KeyRange> range, TakeRange(&parameters, false));
  SIS_ASSIGN_OR_RETURN(query.limit, TakeNumber(&parameters, "limit"));
  if (query.limit == 0) return Invalid("the limit is at least 1");
  SIS_ASSIGN_OR_RETURN(query.keys_only, parameters.TakeFlag("keys_only"));
  SIS_ASSIGN_OR_RETURN(query.count_only, parameters.TakeFlag("count_only"));
  SIS_ASSIGN_OR_RETURN(query.reverse, parameters.TakeFlag("reverse"));
  SIS_ASSIGN_OR_RETURN(const std::optional<uint64_t> revision, TakeNumber(&parameters, "revision"));
  if (revision == uint64_t{0}) return Invalid("revisions begin at 1");
  if (revision) query.revision = Index(*revision);
  SIS_ASSIGN_OR_RETURN(query.terms, TakeReadTerms(&parameters));
  const QueryParameter* cursor = parameters.Take("cursor");
  SIS_RETURN_IF_ERROR(parameters.Finish());
  if (cursor != nullptr) {
    SIS_RETURN_IF_ERROR(ApplyCursor(cursor->value, range, &query));
  } else if (range) {
    query.range = *std::move(range);
  } else {
    return Invalid("give prefix, or start and end; an empty prefix is all keys");
  }
  return query;
}

}  // namespace sisyphus::api
