#include "lsm/manifest.h"

#include <cinttypes>
#include <cstdio>

#include "base/checksum.h"
#include "base/planted.h"
#include "lsm/file_names.h"

namespace sisyphus::lsm {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kRecordHeaderBytes = 12;
constexpr uint64_t kMaxManifestBytes = uint64_t{1} << 30;

std::string Header() {
  std::string out;
  PutFixed64(&out, kManifestMagic);
  PutFixed32(&out, kManifestVersion);
  PutFixed32(&out, 0);
  PutFixed64(&out, Checksum(out));
  return out;
}

Status CheckHeader(std::string_view bytes, const std::string& path) {
  if (bytes.size() < kHeaderBytes) return DamagedAt(path, 0, "too short for a manifest");
  if (DecodeFixed64(bytes.data()) != kManifestMagic) return DamagedAt(path, 0, "not a manifest");
  if (DecodeFixed64(bytes.data() + 16) != Checksum(bytes.substr(0, 16))) {
    return DamagedAt(path, 0, "wrong checksum of the manifest's header");
  }
  const uint32_t version = DecodeFixed32(bytes.data() + 8);
  if (version == kManifestVersion) return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition,
                    path + ": manifest format " + std::to_string(version) +
                        "; this program reads format " + std::to_string(kManifestVersion));
}

std::string Record(const VersionEdit& edit, uint64_t offset) {
  const std::string payload = edit.Encode();
  std::string out;
  PutFixed32(&out, static_cast<uint32_t>(payload.size()));
  PutFixed64(&out, Checksum(payload, offset));
  out.append(payload);
  return out;
}

std::string CurrentContent(uint64_t number) {
  const std::string name = ManifestName(number);
  char checksum[17];
  std::snprintf(checksum, sizeof(checksum), "%016" PRIx64, Checksum(name));
  return name + " " + checksum + "\n";
}

// The bytes of the whole record at `offset`, with its header; 0 if there is none.
uint64_t WholeRecord(std::string_view bytes, uint64_t offset) {
  const std::string_view rest = bytes.substr(offset);
  if (rest.size() < kRecordHeaderBytes) return 0;
  const uint64_t length = DecodeFixed32(rest.data());
  if (length > rest.size() - kRecordHeaderBytes) return 0;
  const uint64_t checksum = Checksum(rest.substr(kRecordHeaderBytes, length), offset);
  return DecodeFixed64(rest.data() + 4) == checksum ? kRecordHeaderBytes + length : 0;
}

// Whether a whole record begins anywhere behind `offset`: then the one at `offset` was synced once.
// A search, because the sectors of a torn record may survive without the one that holds its length.
bool RecordBehind(std::string_view bytes, uint64_t offset) {
  while (++offset < bytes.size()) {
    if (WholeRecord(bytes, offset) > 0) return true;
  }
  return false;
}

}  // namespace

StatusOr<std::unique_ptr<ManifestWriter>> ManifestWriter::Create(FileSystem& fs,
                                                                 const std::string& directory,
                                                                 uint64_t number,
                                                                 const VersionEdit& whole) {
  const std::string path = directory + "/" + ManifestName(number);
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, fs.NewWritableFile(path));
  std::string content = Header();
  content.append(Record(whole, content.size()));
  SIS_RETURN_IF_ERROR(file->Append(content));
  SIS_RETURN_IF_ERROR(file->Sync());
  // The name must be durable before CURRENT points to it.
  SIS_RETURN_IF_ERROR(fs.SyncDirectory(directory));
  SIS_RETURN_IF_ERROR(WriteFileAtomically(fs, CurrentPath(directory), CurrentContent(number)));
  return std::unique_ptr<ManifestWriter>(new ManifestWriter(number, std::move(file)));
}

Status ManifestWriter::Append(const VersionEdit& edit) {
  SIS_RETURN_IF_ERROR(file_->Append(Record(edit, file_->size())));
  return SIS_PLANTED(kManifestNotSynced) ? OkStatus() : file_->Sync();
}

StatusOr<uint64_t> ReadCurrent(FileSystem& fs, const std::string& directory) {
  const std::string path = CurrentPath(directory);
  SIS_ASSIGN_OR_RETURN(const std::string content, ReadWholeFile(fs, path));
  const std::string_view name = std::string_view(content).substr(0, content.find(' '));
  const auto parsed = ParseFileName(name);
  if (!parsed || parsed->kind != FileKind::kManifest || content != CurrentContent(parsed->number)) {
    return DamagedAt(path, 0, "it does not name a manifest");
  }
  return parsed->number;
}

Status ReadManifest(FileSystem& fs, const std::string& directory, uint64_t number,
                    const std::function<Status(const VersionEdit&)>& apply) {
  const std::string path = directory + "/" + ManifestName(number);
  StatusOr<std::string> content = ReadWholeFile(fs, path, kMaxManifestBytes);
  if (absl::IsNotFound(content.status())) {
    return MakeStatus(StatusCode::kDataLoss, path + ": CURRENT names it, and it is not there");
  }
  if (!content.ok()) return content.status();
  const std::string_view bytes(*content);
  SIS_RETURN_IF_ERROR(CheckHeader(bytes, path));
  size_t offset = kHeaderBytes;
  while (offset < bytes.size()) {
    const uint64_t size = WholeRecord(bytes, offset);
    if (size == 0) {
      // CURRENT named this manifest after its first record was synced.
      const bool torn = offset > kHeaderBytes && !RecordBehind(bytes, offset);
      return torn ? OkStatus() : DamagedAt(path, offset, "wrong checksum of a version edit");
    }
    StatusOr<VersionEdit> edit =
        VersionEdit::Decode(bytes.substr(offset + kRecordHeaderBytes, size - kRecordHeaderBytes));
    const Status status = edit.ok() ? apply(*edit) : edit.status();
    if (status.code() == StatusCode::kDataLoss) {
      return DamagedAt(path, offset, std::string(MessageOf(status)));
    }
    SIS_RETURN_IF_ERROR(status);
    offset += size;
  }
  if (offset == kHeaderBytes) return DamagedAt(path, offset, "a manifest without an edit");
  return OkStatus();
}

}  // namespace sisyphus::lsm
