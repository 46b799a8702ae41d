// CompactionJob: one compaction (or flush), done in bounded steps.
//
// It reads its inputs in order, drops what nobody can read any more (retention.h), and writes
// tables of level `output_level`. One thread at a time. It changes nothing but files that no
// manifest names: its result is the edit, for the owner of the manifest to apply. Destroyed early,
// it leaves files for the next Open to delete.
#ifndef SISYPHUS_LSM_COMPACTION_JOB_H_
#define SISYPHUS_LSM_COMPACTION_JOB_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lsm/internal_iterator.h"
#include "lsm/retention.h"
#include "lsm/table_builder.h"
#include "lsm/version_edit.h"

namespace sisyphus::lsm {

class CompactionJob {
 public:
  struct Output {
    FileSystem* fs;
    const Options* options;
    std::string directory;
    int level;
    uint64_t table_bytes;                       // Where a table is cut; 0: never.
    std::function<uint64_t()> new_file_number;  // Callable from the job's thread.
  };

  // `input` walks over all versions; what it stands on must outlive the job.
  CompactionJob(Output output, std::unique_ptr<InternalIterator> input, Retention retention);

  // Works on until about `budget_bytes` of input are read. True when everything is written, synced
  // and named by a synced directory.
  StatusOr<bool> Step(uint64_t budget_bytes);

  // Requires: Step has answered true.
  const std::vector<VersionEdit::Added>& outputs() const { return outputs_; }
  uint64_t written_bytes() const;

 private:
  Status Append(const KeyView& key);
  Status FinishTable();

  const Output output_;
  const std::unique_ptr<InternalIterator> input_;
  Retention retention_;
  bool started_ = false;
  std::unique_ptr<TableBuilder> builder_;
  std::string last_user_key_;  // Of the open table.
  std::vector<VersionEdit::Added> outputs_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_COMPACTION_JOB_H_
