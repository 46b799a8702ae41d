// A machine on a simulated disk that a test feeds with commands, as the log would.
#ifndef SISYPHUS_TESTS_UNIT_KV_MACHINE_FIXTURE_H_
#define SISYPHUS_TESTS_UNIT_KV_MACHINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kv/machine.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::kv {

class TestMachine {
 public:
  TestMachine() { Open(); }
  ~TestMachine() { machine_.reset(); }

  Machine& operator*() { return *machine_; }
  Machine* operator->() { return machine_.get(); }

  // Applies one entry; answers its result. A failure ends the test.
  std::string Apply(std::string_view bytes) {
    StatusOr<std::string> result = TryApply(bytes);
    SIS_CHECK(result.ok(), result.status().ToString());
    log_.back().second = *result;
    return *std::move(result);
  }
  StatusOr<std::string> TryApply(std::string_view bytes) {
    log_.emplace_back(std::string(bytes), "");
    terms_.push_back(term_);
    const node::Command command{{index(), term_}, log_.back().first};
    std::vector<std::string> results;
    SIS_RETURN_IF_ERROR(machine_->Apply({&command, 1}, &results));
    return results.at(0);
  }

  // Ends the process; what is not flushed is applied again from the log, with the same results.
  void Restart(bool flush_first) {
    if (flush_first) {
      machine_->db()->ScheduleFlush();
      while (executor_.Step()) {
      }
    }
    machine_.reset();
    Open();
    for (uint64_t i = machine_->durable().index.value(); i < log_.size(); ++i) {
      const node::Command command{{Index(i + 1), terms_[i]}, log_[i].first};
      std::vector<std::string> results;
      const Status status = machine_->Apply({&command, 1}, &results);
      SIS_CHECK(status.ok(), status.ToString());
      EXPECT_EQ(results.at(0), log_[i].second) << "entry " << i + 1;
    }
  }

  // The value of `key`; nothing if it is not there.
  std::optional<VersionedValue> Find(std::string_view key) {
    StatusOr<Machine::ReadOutcome> outcome = machine_->Read(key);
    SIS_CHECK(outcome.ok(), outcome.status().ToString());
    return std::move(outcome->found);
  }
  std::string Get(std::string_view key) {
    const std::optional<VersionedValue> found = Find(key);
    return found ? found->value : "-";
  }

  // Of the last entry.
  Index index() const { return Index(log_.size()); }
  Term term() const { return term_; }
  void NextTerm() { term_ = Term(term_.value() + 1); }

 private:
  void Open() {
    Machine::MachineOptions options;
    options.directory = "/db";
    options.engine.block_cache_bytes = 1 << 20;
    options.engine.file_system = &fs_;
    options.engine.executor = process_.get();
    StatusOr<std::unique_ptr<Machine>> machine = Machine::Open(std::move(options));
    SIS_CHECK(machine.ok(), machine.status().ToString());
    machine_ = *std::move(machine);
  }

  testing::SimFileSystem fs_;
  testing::SimExecutor executor_{{.seed = 1}};
  std::unique_ptr<testing::SimProcess> process_ = executor_.CreateProcess("node");
  std::unique_ptr<Machine> machine_;
  std::vector<std::pair<std::string, std::string>> log_;  // Command and result.
  std::vector<Term> terms_;
  Term term_{1};
};

inline std::string PutCommand(std::string_view key, std::string_view value) {
  Command command;
  command.key = key;
  command.value = value;
  return EncodeCommand(command);
}

}  // namespace sisyphus::kv

#endif  // SISYPHUS_TESTS_UNIT_KV_MACHINE_FIXTURE_H_
