#include "api/write_terms.h"

#include <algorithm>
#include <iterator>

namespace sisyphus::api {
namespace {

struct Unit {
  std::string_view name;
  uint64_t ms;
};
// The largest first.
constexpr Unit kUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

Status Invalid(const std::string& message) {
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

}  // namespace

StatusOr<kv::Retry> RetryOf(const RequestHead& head) {
  size_t count = 0;
  const auto field = head.Find("Idempotency-Key", &count);
  if (!field.has_value()) return kv::Retry();
  if (count > 1) return Invalid("Idempotency-Key comes twice");
  const size_t colon = field->rfind(':');
  kv::SessionTag tag;
  const bool good =
      colon != std::string_view::npos && colon > 0 && colon <= kv::kMaxClientIdBytes &&
      ParseNumber(field->substr(colon + 1), &tag.sequence) &&
      std::all_of(field->begin(), field->end(), [](char c) { return c > ' ' && c < 127; });
  if (!good) {
    return Invalid("Idempotency-Key is CLIENT:SEQUENCE: a client id of 1 to " +
                   std::to_string(kv::kMaxClientIdBytes) + " characters, and a number");
  }
  tag.client = std::string(field->substr(0, colon));
  return kv::Retry(std::move(tag));
}

StatusOr<uint64_t> ParseTtlMs(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view name = text.substr(digits);
  const auto* const unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                        [&](const Unit& u) { return u.name == name; });
  uint64_t number = 0;
  if (unit == std::end(kUnits) || !ParseNumber(text.substr(0, digits), &number))
    return Invalid("a TTL is a number and a unit, like 30s, 5m, 2h, 7d or 1500ms");
  if (number > kv::kMaxTtlMs / unit->ms || number * unit->ms < kv::kMinTtlMs)
    return Invalid("a TTL is from a second to ten years");
  return number * unit->ms;
}

std::string TtlText(uint64_t ttl_ms) {
  if (ttl_ms == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (ttl_ms % unit.ms == 0) return std::to_string(ttl_ms / unit.ms).append(unit.name);
  }
  return "0s";
}

StatusOr<uint64_t> ParseLeaseId(std::string_view text) {
  uint64_t id = 0;
  if (!ParseNumber(text, &id) || id == 0) return Invalid("a lease is a number from 1 on");
  return id;
}

StatusOr<kv::LeaseChoice> TakeLease(Parameters* parameters) {
  kv::LeaseChoice choice;
  const QueryParameter* const ttl = parameters->Take("ttl");
  const QueryParameter* const lease = parameters->Take("lease");
  if (ttl != nullptr && lease != nullptr) return Invalid("give a ttl or a lease, not both");
  if (ttl != nullptr) {
    SIS_ASSIGN_OR_RETURN(choice.ttl_ms, ParseTtlMs(ttl->value));
  }
  if (lease != nullptr) {
    SIS_ASSIGN_OR_RETURN(choice.id, ParseLeaseId(lease->value));
  }
  return choice;
}

void AppendReplayed(std::string* headers, bool replayed) {
  if (replayed) headers->append("X-Sisyphus-Replayed: 1\r\n");
}

}  // namespace sisyphus::api
