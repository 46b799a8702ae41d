#include "base/file_system.h"

#include "base/planted.h"

namespace sisyphus {
namespace {

Status WriteAndSync(FileSystem& fs, const std::string& path, std::string_view content) {
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, fs.NewWritableFile(path));
  SIS_RETURN_IF_ERROR(file->Append(content));
  if (!SIS_PLANTED(kReplacementNotSynced)) SIS_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path, uint64_t max_bytes) {
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<RandomAccessFile> file, fs.OpenForRead(path));
  const uint64_t size = file->size();
  if (size > max_bytes) {
    return MakeStatus(StatusCode::kResourceExhausted,
                      "read " + path + ": " + std::to_string(size) + " bytes, more than the " +
                          std::to_string(max_bytes) + " that are expected at most");
  }
  std::string content(size, '\0');
  SIS_ASSIGN_OR_RETURN(const std::string_view read, file->ReadAt(0, size, content.data()));
  if (read.data() != content.data()) return std::string(read);
  content.resize(read.size());
  return content;
}

Status WriteFileAtomically(FileSystem& fs, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  Status status = WriteAndSync(fs, temporary, content);
  if (status.ok()) status = fs.Rename(temporary, path);
  if (!status.ok()) {
    fs.Delete(temporary).IgnoreError();  // The first error is the one to tell.
    return status;
  }
  return fs.SyncDirectory(DirectoryOf(path));
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace sisyphus
