// LogMachine: a machine on a simulated disk that a test feeds with commands, as the log would.
#ifndef SISYPHUS_TESTS_UNIT_KV_LOG_MACHINE_H_
#define SISYPHUS_TESTS_UNIT_KV_LOG_MACHINE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kv/command.h"
#include "kv/history.h"
#include "kv/machine.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::kv {

class LogMachine {
 public:
  explicit LogMachine(WatchFeedOptions watches = {}) : watches_(watches) { Open(); }

  Machine& operator*() { return *machine_; }
  Machine* operator->() { return machine_.get(); }

  Index Put(std::string_view key, std::string_view value) {
    Command command;
    command.key = key;
    command.value = value;
    return Apply(EncodeCommand(command));
  }
  Index Delete(std::string_view key) {
    Command command;
    command.kind = Command::Kind::kDelete;
    command.key = key;
    return Apply(EncodeCommand(command));
  }
  // Answers the floor after it.
  Index Compact(Index revision) {
    Apply(EncodeCompactCommand(revision));
    const StatusOr<Index> floor = DecodeCompactResult(result_);
    SIS_CHECK(floor.ok(), floor.status().ToString());
    return *floor;
  }
  Index Apply(std::string bytes) {
    log_.push_back(std::move(bytes));
    result_ = ApplyEntry(log_.size());
    return Index(log_.size());
  }
  Index index() const { return Index(log_.size()); }

  // Everything that waits on actors happens.
  void Settle(Duration time = Duration::zero()) { executor_.RunFor(time); }
  void Flush() {
    machine_->db()->ScheduleFlush();
    // Flushes and compactions end by themselves.
    executor_.RunFor(std::chrono::seconds(1));
  }
  // The process ends; the log brings back what was not flushed.
  void Restart() {
    machine_.reset();
    Open();
  }
  void Replay() {
    for (uint64_t i = machine_->revision().value() + 1; i <= log_.size(); ++i) ApplyEntry(i);
  }

 private:
  void Open() {
    Machine::MachineOptions options;
    options.directory = "/db";
    options.engine.block_cache_bytes = 1 << 20;
    options.engine.level0_compaction_trigger = 1;
    options.engine.level1_bytes = 1;
    options.engine.file_system = &fs_;
    options.engine.executor = process_.get();
    options.watches = watches_;
    StatusOr<std::unique_ptr<Machine>> machine = Machine::Open(std::move(options));
    SIS_CHECK(machine.ok(), machine.status().ToString());
    machine_ = *std::move(machine);
  }
  std::string ApplyEntry(uint64_t index) {
    const node::Command command{{Index(index), Term(1)}, log_[index - 1]};
    std::vector<std::string> results;
    const Status status = machine_->Apply({&command, 1}, &results);
    SIS_CHECK(status.ok(), status.ToString());
    return results.at(0);
  }

  const WatchFeedOptions watches_;
  testing::SimFileSystem fs_;
  testing::SimExecutor executor_{{.seed = 1}};
  std::unique_ptr<testing::SimProcess> process_ = executor_.CreateProcess("node");
  std::unique_ptr<Machine> machine_;
  std::vector<std::string> log_;
  std::string result_;
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_TESTS_UNIT_KV_LOG_MACHINE_H_
