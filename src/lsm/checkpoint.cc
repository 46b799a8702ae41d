#include "lsm/checkpoint.h"

#include <algorithm>

#include "lsm/file_names.h"
#include "lsm/manifest.h"
#include "lsm/table_reader.h"

namespace sisyphus::lsm {
namespace {

// Reads every block of a table from the medium.
Status VerifyTable(FileSystem& fs, const std::string& directory, uint64_t number) {
  BlockCache empty(0);
  SIS_ASSIGN_OR_RETURN(const auto table, TableReader::Open(fs, directory, number, &empty));
  const auto it = table->NewIterator(/*fill_cache=*/false);
  it->SeekToFirst();
  while (it->Valid()) it->Next();
  return it->status();
}

Status Fill(FileSystem& fs, const std::string& from, const std::string& to,
            const Version& version) {
  VersionEdit whole = version.Whole();
  uint64_t largest = 0;
  for (const VersionEdit::Added& added : whole.added) {
    const uint64_t number = added.table.number();
    largest = std::max(largest, number);
    SIS_RETURN_IF_ERROR(fs.Link(TablePath(from, number), TablePath(to, number)));
    SIS_RETURN_IF_ERROR(VerifyTable(fs, to, number));
  }
  const uint64_t manifest_number = largest + 1;
  whole.next_file_number = manifest_number + 1;
  // Creating the manifest syncs the directory, and so the links, before CURRENT appears.
  SIS_ASSIGN_OR_RETURN(const auto manifest, ManifestWriter::Create(fs, to, manifest_number, whole));
  return fs.SyncDirectory(DirectoryOf(to));
}

void Remove(FileSystem& fs, const std::string& directory) {
  const auto names = fs.List(directory);
  if (names.ok()) {
    for (const std::string& name : *names) fs.Delete(directory + "/" + name).IgnoreError();
  }
  fs.Delete(directory).IgnoreError();
}

}  // namespace

Status WriteCheckpoint(FileSystem& fs, const std::string& from, const std::string& to,
                       const Version& version) {
  SIS_ASSIGN_OR_RETURN(const bool exists, fs.Exists(to));
  if (exists) return MakeStatus(StatusCode::kAlreadyExists, "checkpoint: " + to + " exists");
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(to));
  const Status status = Fill(fs, from, to, version);
  if (!status.ok()) Remove(fs, to);
  return status;
}

}  // namespace sisyphus::lsm
