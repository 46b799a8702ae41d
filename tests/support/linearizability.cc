#include "tests/support/linearizability.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

using Kind = RegisterOperation::Kind;
using Verdict = LinearizabilityResult::Verdict;

std::string Show(const RegisterState& state) {
  constexpr size_t kEnough = 40;
  if (!state) return "nothing";
  if (state->size() <= kEnough) return "'" + *state + "'";
  return "'" + state->substr(0, kEnough) + "...' (" + std::to_string(state->size()) + " bytes)";
}

// What `operation` makes of `state`; false if its answer does not fit there.
bool Apply(const RegisterOperation& operation, RegisterState* state) {
  const bool known = operation.returned != RegisterOperation::kNever;
  switch (operation.kind) {
    case Kind::kGet:
      return !known || *state == operation.read;
    case Kind::kPut:
      *state = operation.argument;
      return true;
    case Kind::kDelete:
      state->reset();
      return true;
    case Kind::kAppend:
      *state = state->value_or("") + operation.argument;
      return true;
    case Kind::kCompareAndSet: {
      const bool holds = *state == operation.expected;
      if (known && holds != operation.succeeded) return false;
      if (holds) *state = operation.argument;
      return true;
    }
  }
  return false;
}

// The search for one key. Calls and answers form a doubly linked list in the order of time; taking
// an operation lifts its two events out, going back puts them in again (Lowe 2017).
class KeySearch {
 public:
  KeySearch(std::vector<RegisterOperation> operations, RegisterState initial)
      : operations_(std::move(operations)), state_(std::move(initial)) {
    struct Edge {
      int64_t time;
      bool is_call;
      size_t operation;
    };
    std::vector<Edge> edges;
    for (size_t i = 0; i < operations_.size(); ++i) {
      SIS_CHECK(operations_[i].called < operations_[i].returned, "an answer follows its call");
      edges.push_back({operations_[i].called, true, i});
      edges.push_back({operations_[i].returned, false, i});
      if (operations_[i].returned != RegisterOperation::kNever) ++must_;
    }
    std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
      return a.time != b.time ? a.time < b.time : a.is_call < b.is_call;
    });
    events_.resize(edges.size() + 2);  // A head before and an end behind.
    call_of_.resize(operations_.size());
    return_of_.resize(operations_.size());
    for (size_t i = 0; i < events_.size(); ++i) {
      events_[i].next = i + 1;
      events_[i].previous = i == 0 ? 0 : i - 1;
    }
    for (size_t i = 0; i < edges.size(); ++i) {
      events_[i + 1].operation = edges[i].operation;
      events_[i + 1].is_call = edges[i].is_call;
      (edges[i].is_call ? call_of_ : return_of_)[edges[i].operation] = i + 1;
    }
    done_.resize((operations_.size() + 63) / 64);
  }

  Verdict Run(uint64_t max_steps) {
    size_t at = events_[0].next;
    for (uint64_t steps = 0; done_count_ < must_; ++steps) {
      if (steps > max_steps) return Verdict::kGaveUp;
      const Event& event = events_[at];
      // An answer whose call was not taken, or the end: nothing more can go first.
      if (at + 1 == events_.size() || !event.is_call) {
        if (taken_.empty()) return Verdict::kNotLinearizable;
        at = events_[GoBack()].next;
        continue;
      }
      RegisterState next = state_;
      const RegisterOperation& operation = operations_[event.operation];
      if (Apply(operation, &next) && IsNew(event.operation, next)) {
        Take(event.operation, std::move(next));
        at = events_[0].next;
      } else {
        at = event.next;
      }
    }
    return Verdict::kLinearizable;
  }

  // The longest linearization that was found, and what could not follow it.
  std::string Report() const {
    std::string text = "linearized up to:";
    const size_t first = best_.size() > 8 ? best_.size() - 8 : 0;
    for (size_t i = first; i < best_.size(); ++i) {
      text += "\n  " + Describe(operations_[best_[i]]);
    }
    text += "\nthen none of these fits (state " + Show(best_state_) + "):";
    std::vector<bool> taken(operations_.size());
    for (const size_t i : best_) taken[i] = true;
    int64_t horizon = RegisterOperation::kNever;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!taken[i]) horizon = std::min(horizon, operations_[i].returned);
    }
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!taken[i] && operations_[i].called <= horizon) text += "\n  " + Describe(operations_[i]);
    }
    return text;
  }

 private:
  struct Event {
    size_t next = 0;
    size_t previous = 0;
    size_t operation = 0;
    bool is_call = false;
  };
  struct Taken {
    size_t operation;
    RegisterState before;
  };

  bool IsKnown(size_t operation) const {
    return operations_[operation].returned != RegisterOperation::kNever;
  }
  void Lift(size_t at) {
    events_[events_[at].previous].next = events_[at].next;
    events_[events_[at].next].previous = events_[at].previous;
  }
  void Unlift(size_t at) {
    events_[events_[at].previous].next = at;
    events_[events_[at].next].previous = at;
  }

  void Flip(size_t operation) { done_[operation / 64] ^= uint64_t{1} << (operation % 64); }

  // Remembers the configuration that taking `operation` leads to.
  bool IsNew(size_t operation, const RegisterState& next) {
    Flip(operation);
    std::string configuration(reinterpret_cast<const char*>(done_.data()),
                              done_.size() * sizeof(done_[0]));
    Flip(operation);
    configuration += next ? '1' : '0';
    if (next) configuration += *next;
    return visited_.insert(std::move(configuration)).second;
  }

  void Take(size_t operation, RegisterState next) {
    taken_.push_back({operation, std::exchange(state_, std::move(next))});
    Flip(operation);
    if (IsKnown(operation)) ++done_count_;
    Lift(call_of_[operation]);
    Lift(return_of_[operation]);
    if (taken_.size() > best_.size()) {
      best_.clear();
      for (const Taken& taken : taken_) best_.push_back(taken.operation);
      best_state_ = state_;
    }
  }

  // Takes the last one back; answers where its call stands.
  size_t GoBack() {
    const Taken last = std::move(taken_.back());
    taken_.pop_back();
    state_ = last.before;
    Flip(last.operation);
    if (IsKnown(last.operation)) --done_count_;
    Unlift(return_of_[last.operation]);
    Unlift(call_of_[last.operation]);
    return call_of_[last.operation];
  }

  const std::vector<RegisterOperation> operations_;
  RegisterState state_;
  size_t must_ = 0;        // Operations that are known to have taken effect,
  size_t done_count_ = 0;  // and how many of them are linearized.
  std::vector<Event> events_;
  std::vector<size_t> call_of_;
  std::vector<size_t> return_of_;
  std::vector<uint64_t> done_;  // A bit for each linearized operation.
  std::vector<Taken> taken_;
  std::unordered_set<std::string> visited_;  // Looked up only.
  std::vector<size_t> best_;
  RegisterState best_state_;
};

}  // namespace

std::string Describe(const RegisterOperation& operation) {
  const bool known = operation.returned != RegisterOperation::kNever;
  std::string text = "client " + std::to_string(operation.client) + " ";
  switch (operation.kind) {
    case Kind::kGet:
      text += "get " + operation.key + (known ? " -> " + Show(operation.read) : "");
      break;
    case Kind::kPut:
      text += "put " + operation.key + " = " + Show(operation.argument);
      break;
    case Kind::kDelete:
      text += "delete " + operation.key;
      break;
    case Kind::kAppend:
      text += "append " + operation.key + " += " + Show(operation.argument);
      break;
    case Kind::kCompareAndSet:
      text += "compare " + operation.key + " with " + Show(operation.expected) + ", set " +
              Show(operation.argument);
      if (known) text += operation.succeeded ? " -> done" : " -> refused";
      break;
  }
  text += " [" + std::to_string(operation.called) + ", ";
  return text + (known ? std::to_string(operation.returned) : "unknown") + "]";
}

LinearizabilityResult CheckLinearizable(std::vector<RegisterOperation> history,
                                        RegisterState initial, uint64_t max_steps) {
  std::map<std::string, std::vector<RegisterOperation>> by_key;
  for (RegisterOperation& operation : history) {
    // A read without an answer says nothing.
    if (operation.kind == Kind::kGet && operation.returned == RegisterOperation::kNever) continue;
    by_key[operation.key].push_back(std::move(operation));
  }
  LinearizabilityResult result;
  for (auto& [key, operations] : by_key) {
    KeySearch search(std::move(operations), initial);
    const Verdict verdict = search.Run(max_steps);
    if (verdict == Verdict::kLinearizable) continue;
    result = {verdict, key, search.Report()};
    if (verdict == Verdict::kNotLinearizable) break;
  }
  return result;
}

}  // namespace sisyphus::testing
