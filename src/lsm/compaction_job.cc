#include "lsm/compaction_job.h"

#include "base/planted.h"

namespace sisyphus::lsm {

CompactionJob::CompactionJob(Output output, std::unique_ptr<InternalIterator> input,
                             Retention retention)
    : output_(std::move(output)), input_(std::move(input)), retention_(std::move(retention)) {}

StatusOr<bool> CompactionJob::Step(uint64_t budget_bytes) {
  if (!started_) {
    started_ = true;
    input_->SeekToFirst();
  }
  uint64_t read = 0;
  for (; input_->Valid() && read < budget_bytes; input_->Next()) {
    const KeyView key = input_->key();
    read += key.encoded_size() + input_->value().size();
    if (retention_.Keep(key)) SIS_RETURN_IF_ERROR(Append(key));
  }
  SIS_RETURN_IF_ERROR(input_->status());
  if (input_->Valid()) return false;
  SIS_RETURN_IF_ERROR(FinishTable());
  // The names must be durable before a manifest speaks of them.
  const bool sync = !outputs_.empty() && !SIS_PLANTED(kTableNameNotSynced);
  if (sync) SIS_RETURN_IF_ERROR(output_.fs->SyncDirectory(output_.directory));
  return true;
}

Status CompactionJob::Append(const KeyView& key) {
  const bool full = builder_ != nullptr && output_.table_bytes > 0 &&
                    builder_->size_bytes() >= output_.table_bytes;
  // The versions of one key stay in one table: below level 0 a reader looks into one only.
  if (full && key.user_key != last_user_key_) SIS_RETURN_IF_ERROR(FinishTable());
  if (builder_ == nullptr) {
    SIS_ASSIGN_OR_RETURN(builder_,
                         TableBuilder::Create(*output_.fs, *output_.options, output_.directory,
                                              output_.new_file_number()));
  }
  last_user_key_.assign(key.user_key);
  return builder_->Add(key, input_->value());
}

Status CompactionJob::FinishTable() {
  if (builder_ == nullptr) return OkStatus();
  SIS_RETURN_IF_ERROR(builder_->Finish());
  outputs_.push_back({output_.level, {builder_->size_bytes(), builder_->properties()}});
  builder_ = nullptr;
  return OkStatus();
}

uint64_t CompactionJob::written_bytes() const {
  uint64_t sum = 0;
  for (const VersionEdit::Added& added : outputs_) sum += added.table.size_bytes;
  return sum;
}

}  // namespace sisyphus::lsm
