// Is a history of operations on keys linearizable?
//
// The search of Wing and Gong with Lowe's memory of visited configurations: an operation may be
// linearized next if no other one that is still open had returned before it was called; a pair (set
// of linearized operations, state) that was seen once is never entered again. Keys are independent,
// so each is searched alone.
//
// An operation whose outcome is unknown may take effect at any time after its call, or never. One
// that certainly failed must not be given.
#ifndef SISYPHUS_VERIFY_LINEARIZABILITY_H_
#define SISYPHUS_VERIFY_LINEARIZABILITY_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sisyphus::verify {

// A value, or none.
using RegisterState = std::optional<std::string>;

struct RegisterOperation {
  enum class Kind : uint8_t { kGet, kPut, kDelete, kAppend, kCompareAndSet };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  Kind kind = Kind::kGet;
  std::string key = {};
  std::string argument = {};    // What is put or appended; kCompareAndSet: the new value.
  RegisterState expected = {};  // kCompareAndSet.
  // What the client was told; nothing counts when the outcome is unknown.
  RegisterState read = {};  // kGet.
  bool succeeded = true;    // kCompareAndSet.

  // Order in real time: any numbers that grow. An answer at the same number as a call came before
  // it.
  int64_t called = 0;
  int64_t returned = kNever;  // kNever: the outcome is unknown.
  uint64_t client = 0;        // For the report only.
};

struct LinearizabilityResult {
  enum class Verdict : uint8_t { kLinearizable, kNotLinearizable, kGaveUp };
  Verdict verdict = Verdict::kLinearizable;
  std::string key;     // Of the violation.
  std::string report;  // The operations around the point where the search got stuck.
};

// `initial` is what every key holds at first. Gives up after `max_steps` of search for one key.
LinearizabilityResult CheckLinearizable(std::vector<RegisterOperation> history,
                                        RegisterState initial = std::nullopt,
                                        uint64_t max_steps = 50'000'000);

// "client 3 put k=v [10, 20]"
std::string Describe(const RegisterOperation& operation);

}  // namespace sisyphus::verify

#endif  // SISYPHUS_VERIFY_LINEARIZABILITY_H_
