#include "verify/linearizability.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace sisyphus::verify {
namespace {

using Kind = RegisterOperation::Kind;
using Verdict = LinearizabilityResult::Verdict;

std::string Show(const RegisterState& state) {
  constexpr size_t kEnough = 40;
  if (!state) return "nothing";
  if (state->size() <= kEnough) return "'" + *state + "'";
  return "'" + state->substr(0, kEnough) + "...' (" + std::to_string(state->size()) + " bytes)";
}

// States of a key by number, so that the search copies and compares no strings.
class States {
 public:
  using Id = uint32_t;

  Id IdOf(const RegisterState& state) {
    const auto [place, is_new] = ids_.try_emplace(state, static_cast<Id>(all_.size()));
    if (is_new) all_.push_back(&place->first);
    return place->second;
  }
  const RegisterState& operator[](Id id) const { return *all_[id]; }

 private:
  std::map<RegisterState, Id> ids_;
  std::vector<const RegisterState*> all_;
};

// The search for one key. Calls and answers form a doubly linked list in the order of time; taking
// an operation lifts its two events out, going back puts them in again (Lowe 2017).
class KeySearch {
 public:
  KeySearch(std::vector<RegisterOperation> operations, RegisterState initial)
      : operations_(std::move(operations)), state_(states_.IdOf(initial)) {
    best_state_ = state_;
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
      arguments_.push_back(states_.IdOf(operations_[i].argument));
      expected_.push_back(states_.IdOf(operations_[i].expected));
      read_.push_back(states_.IdOf(operations_[i].read));
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
      States::Id next = state_;
      if (Apply(event.operation, &next) && IsNew(event.operation, next)) {
        Take(event.operation, next);
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
    text += "\nthen none of these fits (state " + Show(states_[best_state_]) + "):";
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
    States::Id before;
  };
  // Stands for a set of operations and a state: 128 bits, so that no two of them meet.
  struct Configuration {
    uint64_t high = 0;
    uint64_t low = 0;
    bool operator==(const Configuration&) const = default;
  };
  struct Hash {
    size_t operator()(const Configuration& configuration) const { return configuration.low; }
  };

  // What the operation makes of `state`; false if its answer does not fit there.
  bool Apply(size_t i, States::Id* state) {
    const RegisterOperation& operation = operations_[i];
    const bool known = IsKnown(i);
    switch (operation.kind) {
      case Kind::kGet:
        return !known || *state == read_[i];
      case Kind::kPut:
        *state = arguments_[i];
        return true;
      case Kind::kDelete:
        *state = nothing_;
        return true;
      case Kind::kAppend:
        *state = states_.IdOf(states_[*state].value_or("") + operation.argument);
        return true;
      case Kind::kCompareAndSet: {
        const bool holds = *state == expected_[i];
        if (known && holds != operation.succeeded) return false;
        if (holds) *state = arguments_[i];
        return true;
      }
    }
    return false;
  }

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

  // Two independent scramblings of a number (SplitMix64's finalizer).
  static uint64_t Scramble(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  static Configuration With(Configuration configuration, uint64_t member) {
    configuration.high ^= Scramble(2 * member * 0x9e3779b97f4a7c15 + 1);
    configuration.low ^= Scramble((2 * member + 1) * 0xc2b2ae3d27d4eb4f);
    return configuration;
  }

  // Remembers the configuration that taking `operation` leads to.
  bool IsNew(size_t operation, States::Id next) {
    return visited_.insert(With(With(done_, operation), ~uint64_t{next})).second;
  }

  void Take(size_t operation, States::Id next) {
    taken_.push_back({operation, std::exchange(state_, next)});
    done_ = With(done_, operation);
    if (IsKnown(operation)) ++done_count_;
    Lift(call_of_[operation]);
    Lift(return_of_[operation]);
    if (taken_.size() > best_.size()) {
      best_.resize(best_shared_);
      while (best_.size() < taken_.size()) best_.push_back(taken_[best_.size()].operation);
      best_shared_ = best_.size();
      best_state_ = state_;
    }
  }

  // Takes the last one back; answers where its call stands.
  size_t GoBack() {
    const Taken last = taken_.back();
    taken_.pop_back();
    best_shared_ = std::min(best_shared_, taken_.size());
    state_ = last.before;
    done_ = With(done_, last.operation);
    if (IsKnown(last.operation)) --done_count_;
    Unlift(return_of_[last.operation]);
    Unlift(call_of_[last.operation]);
    return call_of_[last.operation];
  }

  const std::vector<RegisterOperation> operations_;
  States states_;
  const States::Id nothing_ = states_.IdOf(std::nullopt);
  std::vector<States::Id> arguments_;
  std::vector<States::Id> expected_;
  std::vector<States::Id> read_;
  States::Id state_;
  size_t must_ = 0;        // Operations that are known to have taken effect,
  size_t done_count_ = 0;  // and how many of them are linearized.
  std::vector<Event> events_;
  std::vector<size_t> call_of_;
  std::vector<size_t> return_of_;
  Configuration done_;  // The set of linearized operations.
  std::vector<Taken> taken_;
  std::unordered_set<Configuration, Hash> visited_;  // Looked up only.
  std::vector<size_t> best_;                         // The longest that taken_ ever was,
  size_t best_shared_ = 0;                           // and how far it still is the same.
  States::Id best_state_ = 0;
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

}  // namespace sisyphus::verify
