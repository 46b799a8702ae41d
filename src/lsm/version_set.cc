#include "lsm/version_set.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "lsm/file_names.h"

namespace sisyphus::lsm {

Status VersionSet::Recover() {
  SIS_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(directory_));
  uint64_t largest = 0;
  bool tables = false;
  for (const std::string& name : names) {
    const auto parsed = ParseFileName(name);
    if (!parsed) continue;
    largest = std::max(largest, parsed->number);
    tables = tables || parsed->kind == FileKind::kTable;
  }
  const bool exists = std::find(names.begin(), names.end(), "CURRENT") != names.end();
  if (exists) {
    SIS_RETURN_IF_ERROR(ReadOld());
    SIS_RETURN_IF_ERROR(CheckTables());
  } else if (tables) {
    return MakeStatus(StatusCode::kDataLoss,
                      directory_ + ": there are tables, but CURRENT is missing");
  }
  // A number is not used twice even if only a crash's leftovers bear it.
  next_file_number_ = std::max(next_file_number_.load(), largest + 1);
  SIS_RETURN_IF_ERROR(WriteManifest(*current_));
  return DeleteOrphans(names);
}

Status VersionSet::ReadOld() {
  SIS_ASSIGN_OR_RETURN(const uint64_t number, ReadCurrent(fs_, directory_));
  return ReadManifest(fs_, directory_, number, [this](const VersionEdit& edit) -> Status {
    if (edit.next_file_number) next_file_number_ = *edit.next_file_number;
    SIS_ASSIGN_OR_RETURN(current_, current_->Apply(edit, purge_));
    return OkStatus();
  });
}

Status VersionSet::CheckTables() const {
  for (int level = 0; level < kLevels; ++level) {
    for (const TablePointer& table : current_->level(level)) {
      const std::string path = TablePath(directory_, table->meta.number());
      const StatusOr<uint64_t> size = fs_.FileSize(path);
      if (absl::IsNotFound(size.status())) {
        return MakeStatus(StatusCode::kDataLoss, path + ": the manifest names it, it is not there");
      }
      if (!size.ok()) return size.status();
      if (*size != table->meta.size_bytes) {
        return DamagedAt(path, std::min(*size, table->meta.size_bytes),
                         "the manifest says that the table has " +
                             std::to_string(table->meta.size_bytes) + " bytes, not " +
                             std::to_string(*size));
      }
    }
  }
  return OkStatus();
}

Status VersionSet::WriteManifest(const Version& version) {
  const uint64_t number = NewFileNumber();
  VersionEdit whole = version.Whole();
  whole.next_file_number = next_file_number_.load();
  SIS_ASSIGN_OR_RETURN(manifest_, ManifestWriter::Create(fs_, directory_, number, whole));
  whole_bytes_ = manifest_->size_bytes();
  return OkStatus();
}

Status VersionSet::DeleteOrphans(const std::vector<std::string>& names) {
  std::set<uint64_t> live;
  for (int level = 0; level < kLevels; ++level) {
    for (const TablePointer& table : current_->level(level)) live.insert(table->meta.number());
  }
  for (const std::string& name : names) {
    const auto parsed = ParseFileName(name);
    bool keep = !parsed && name != "CURRENT.tmp";
    if (parsed && parsed->kind == FileKind::kTable) keep = live.contains(parsed->number);
    if (keep) continue;
    // CURRENT.tmp is gone already if writing the new CURRENT has used it.
    const Status status = fs_.Delete(directory_ + "/" + name);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return OkStatus();
}

Status VersionSet::Apply(VersionEdit edit) {
  edit.next_file_number = next_file_number_.load();
  StatusOr<std::shared_ptr<const Version>> next = current_->Apply(edit, purge_);
  SIS_CHECK(next.ok(), next.status().ToString());
  SIS_RETURN_IF_ERROR(manifest_->Append(edit));
  // Only now may the files go: until the edit was durable a crash would have needed them.
  for (const VersionEdit::Removed& removed : edit.removed) {
    const bool moved = std::any_of(
        edit.added.begin(), edit.added.end(),
        [&](const VersionEdit::Added& added) { return added.table.number() == removed.number; });
    if (moved) continue;
    for (const TablePointer& table : current_->level(removed.level)) {
      if (table->meta.number() == removed.number) table->removed = true;
    }
  }
  current_ = *std::move(next);
  if (manifest_->size_bytes() < rewrite_bytes_ + kRewriteFactor * whole_bytes_) return OkStatus();
  const uint64_t old = manifest_->number();
  SIS_RETURN_IF_ERROR(WriteManifest(*current_));
  // A leftover is deleted by the next Open.
  fs_.Delete(directory_ + "/" + ManifestName(old)).IgnoreError();
  return OkStatus();
}

}  // namespace sisyphus::lsm
