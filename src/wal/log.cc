#include "wal/log.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/planted.h"
#include "wal/format.h"
#include "wal/recovery.h"

namespace sisyphus::wal {
namespace {

// What the buffer for batches may keep between two of them.
constexpr size_t kKeptBufferBytes = 8 << 20;

uint64_t BatchBytes(std::span<const Record> records) {
  uint64_t bytes = 0;
  for (const Record& record : records) {
    bytes += RecordBytes(uint64_t{record.head.size()} + record.body.size());
  }
  return bytes;
}

class SegmentedLog final : public Log {
 public:
  SegmentedLog(FileSystem& fs, std::string directory, const LogOptions& options, Preamble preamble)
      : fs_(fs),
        directory_(std::move(directory)),
        options_(options),
        preamble_(std::move(preamble)) {}

  // Makes what was recovered the log's past, and begins a segment behind it.
  Status Begin(const std::vector<RecoveredSegment>& recovered);

  StatusOr<std::vector<RecordLocation>> AppendBatch(std::span<const Record> records) override;
  Status Read(const RecordLocation& location, std::string* bytes) override;
  Status DropSegmentsBefore(uint64_t segment) override;

  uint64_t current_segment() const override;
  uint64_t first_segment() const override;
  uint64_t size_bytes() const override;

 private:
  struct Segment {
    uint64_t end = 0;                              // Of the records written.
    std::shared_ptr<const RandomAccessFile> file;  // Opened by the first Read.
  };

  Status SealRecovered(const RecoveredSegment& last);
  Status BeginSegment(uint64_t number, uint64_t previous_end);
  Status Roll();
  Status WriteBatch(std::span<const Record> records, std::vector<RecordLocation>* locations);
  void Encode(std::span<const Record> records, uint64_t batch_begin, bool preamble,
              std::vector<RecordLocation>* locations);
  Status WriteBuffer();
  MonotonicTime Now() const {
    return options_.measures == nullptr ? MonotonicTime() : options_.clock->Now();
  }
  Status DeleteSegment(uint64_t number);
  StatusOr<std::shared_ptr<const RandomAccessFile>> FileOf(uint64_t segment);

  // Immutable.
  FileSystem& fs_;
  const std::string directory_;
  const LogOptions options_;
  const Preamble preamble_;

  // Owned by the appending thread.
  std::unique_ptr<WritableFile> file_;  // The current segment.
  uint64_t number_ = 0;                 // Its number,
  uint64_t preamble_end_ = 0;           // where the caller's first batch begins
  uint64_t end_ = 0;                    // and where the next one will.
  std::string buffer_;                  // The batch being written.
  Status broken_;                       // The first error; nothing is taken after it.

  mutable Mutex mu_;
  std::map<uint64_t, Segment> segments_ SIS_GUARDED_BY(mu_);
};

Status SegmentedLog::Begin(const std::vector<RecoveredSegment>& recovered) {
  uint64_t number = 1;
  uint64_t previous_end = 0;
  if (!recovered.empty()) {
    const RecoveredSegment& last = recovered.back();
    SIS_RETURN_IF_ERROR(SealRecovered(last));
    number = last.segment + 1;
    previous_end = last.end;
    MutexLock lock(mu_);
    for (const RecoveredSegment& segment : recovered) segments_[segment.segment].end = segment.end;
  }
  return BeginSegment(number, previous_end);
}

// Cuts the last segment behind its last good record, and makes what was replayed from it durable:
// the process before this one may have died between a write and its sync.
Status SegmentedLog::SealRecovered(const RecoveredSegment& last) {
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                       fs_.OpenForAppend(SegmentPath(directory_, last.segment), last.end));
  SIS_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

// Header and preamble go out with one write and one sync, and the file's name after them. Nothing
// else is written to the segment before, so a crash in here leaves either a whole beginning or a
// file that recovery takes for not there.
Status SegmentedLog::BeginSegment(uint64_t number, uint64_t previous_end) {
  const std::vector<Record> preamble = preamble_ ? preamble_() : std::vector<Record>();
  const uint64_t preamble_bytes = BatchBytes(preamble);
  SIS_CHECK(preamble_bytes <= kMaxSegmentBytes, "a preamble is small");
  number_ = number;
  preamble_end_ = kSegmentHeaderBytes + preamble_bytes;
  end_ = preamble_end_;
  buffer_.clear();
  AppendSegmentHeader(&buffer_, {.segment = number,
                                 .previous_end = previous_end,
                                 .preamble_bytes = static_cast<uint32_t>(preamble_bytes)});
  Encode(preamble, kSegmentHeaderBytes, /*preamble=*/true, nullptr);

  SIS_ASSIGN_OR_RETURN(file_, fs_.NewWritableFile(SegmentPath(directory_, number)));
  SIS_RETURN_IF_ERROR(file_->Preallocate(std::max(options_.segment_bytes, preamble_end_)));
  SIS_RETURN_IF_ERROR(WriteBuffer());
  if (!SIS_PLANTED(kSegmentNameNotSynced)) SIS_RETURN_IF_ERROR(fs_.SyncDirectory(directory_));
  MutexLock lock(mu_);
  segments_[number].end = end_;
  return OkStatus();
}

Status SegmentedLog::Roll() {
  // Gives back what is preallocated and will not be used. Whether a crash keeps this does not
  // matter: the next segment's header says where this one ends.
  SIS_RETURN_IF_ERROR(file_->Truncate(end_));
  SIS_RETURN_IF_ERROR(file_->Close());
  return BeginSegment(number_ + 1, end_);
}

void SegmentedLog::Encode(std::span<const Record> records, uint64_t batch_begin, bool preamble,
                          std::vector<RecordLocation>* locations) {
  uint64_t offset = batch_begin;
  for (const Record& record : records) {
    AppendRecord(&buffer_,
                 {.segment = number_,
                  .offset = offset,
                  .batch_begin = static_cast<uint32_t>(batch_begin),
                  .preamble = preamble},
                 record.type, record.head, record.body);
    const uint64_t length = uint64_t{record.head.size()} + record.body.size();
    if (locations != nullptr) {
      locations->push_back({number_, offset, static_cast<uint32_t>(length)});
    }
    offset += RecordBytes(length);
  }
}

Status SegmentedLog::WriteBuffer() {
  const MonotonicTime begin = Now();
  SIS_RETURN_IF_ERROR(file_->Append(buffer_));
  const MonotonicTime written = Now();
  if (!SIS_PLANTED(kLogNotSynced)) SIS_RETURN_IF_ERROR(file_->Sync());
  if (LogMeasures* const measures = options_.measures) {
    measures->last_sync = Now() - written;
    measures->write.Record(written - begin);
    measures->sync.Record(measures->last_sync);
    measures->bytes.Add(buffer_.size());
  }
  if (buffer_.capacity() > kKeptBufferBytes) std::string().swap(buffer_);
  return OkStatus();
}

StatusOr<std::vector<RecordLocation>> SegmentedLog::AppendBatch(std::span<const Record> records) {
  SIS_RETURN_IF_ERROR(broken_);
  std::vector<RecordLocation> locations;
  if (records.empty()) return locations;
  locations.reserve(records.size());
  if (Status status = WriteBatch(records, &locations); !status.ok()) {
    broken_ = WithContext(status, "the log takes nothing more");
    return status;
  }
  return locations;
}

Status SegmentedLog::WriteBatch(std::span<const Record> records,
                                std::vector<RecordLocation>* locations) {
  const uint64_t bytes = BatchBytes(records);
  if (end_ + bytes > options_.segment_bytes && end_ > preamble_end_) SIS_RETURN_IF_ERROR(Roll());
  SIS_CHECK(end_ <= UINT32_MAX, "a batch begins within a segment's size");
  buffer_.clear();
  Encode(records, end_, /*preamble=*/false, locations);
  SIS_RETURN_IF_ERROR(WriteBuffer());
  end_ += bytes;
  MutexLock lock(mu_);
  segments_[number_].end = end_;
  return OkStatus();
}

StatusOr<std::shared_ptr<const RandomAccessFile>> SegmentedLog::FileOf(uint64_t segment) {
  const std::string path = SegmentPath(directory_, segment);
  {
    MutexLock lock(mu_);
    const auto it = segments_.find(segment);
    if (it == segments_.end()) {
      return MakeStatus(StatusCode::kNotFound, path + ": the segment is not part of the log");
    }
    if (it->second.file != nullptr) return it->second.file;
  }
  SIS_ASSIGN_OR_RETURN(std::shared_ptr<const RandomAccessFile> file, fs_.OpenForRead(path));
  MutexLock lock(mu_);
  const auto it = segments_.find(segment);
  if (it != segments_.end()) it->second.file = file;
  return file;
}

Status SegmentedLog::Read(const RecordLocation& location, std::string* bytes) {
  SIS_ASSIGN_OR_RETURN(const auto file, FileOf(location.segment));
  const size_t size = kRecordHeaderBytes + size_t{location.length};
  bytes->resize(size);
  SIS_ASSIGN_OR_RETURN(const std::string_view read,
                       file->ReadAt(location.offset, size, bytes->data()));
  const auto header = DecodeRecordHeader(read, location.segment, location.offset);
  if (!header || read.size() != size ||
      !PayloadMatches(*header, read.substr(kRecordHeaderBytes), location.segment,
                      location.offset)) {
    bytes->clear();
    return DamageAt(SegmentPath(directory_, location.segment), location.offset,
                    "no record of " + std::to_string(location.length) + " bytes is readable");
  }
  if (read.data() == bytes->data()) {
    bytes->erase(0, kRecordHeaderBytes);
  } else {
    bytes->assign(read.substr(kRecordHeaderBytes));
  }
  return OkStatus();
}

Status SegmentedLog::DropSegmentsBefore(uint64_t segment) {
  SIS_RETURN_IF_ERROR(broken_);
  SIS_CHECK(segment <= number_, "the current segment cannot be dropped");
  while (first_segment() < segment) {
    if (Status status = DeleteSegment(first_segment()); !status.ok()) {
      broken_ = WithContext(status, "the log takes nothing more");
      return status;
    }
  }
  return OkStatus();
}

// The directory is synced after each one: deletions may otherwise survive a crash in any order, and
// a gap in the numbers looks like damage.
Status SegmentedLog::DeleteSegment(uint64_t number) {
  {
    MutexLock lock(mu_);
    segments_.erase(number);
  }
  SIS_RETURN_IF_ERROR(fs_.Delete(SegmentPath(directory_, number)));
  return fs_.SyncDirectory(directory_);
}

uint64_t SegmentedLog::current_segment() const {
  MutexLock lock(mu_);
  return segments_.rbegin()->first;
}

uint64_t SegmentedLog::first_segment() const {
  MutexLock lock(mu_);
  return segments_.begin()->first;
}

uint64_t SegmentedLog::size_bytes() const {
  MutexLock lock(mu_);
  uint64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.end;
  return bytes;
}

}  // namespace

StatusOr<std::unique_ptr<Log>> Log::Open(FileSystem& fs, const std::string& directory,
                                         const LogOptions& options, const Replay& replay,
                                         Preamble preamble) {
  if (options.segment_bytes < kSegmentHeaderBytes || options.segment_bytes > kMaxSegmentBytes) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "a log segment has between " + std::to_string(kSegmentHeaderBytes) + " and " +
                          std::to_string(kMaxSegmentBytes) + " bytes, not " +
                          std::to_string(options.segment_bytes));
  }
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(directory));
  SIS_RETURN_IF_ERROR(fs.SyncDirectory(DirectoryOf(directory)));
  SIS_ASSIGN_OR_RETURN(const std::vector<RecoveredSegment> recovered,
                       Recover(fs, directory, replay));
  auto log = std::make_unique<SegmentedLog>(fs, directory, options, std::move(preamble));
  SIS_RETURN_IF_ERROR(log->Begin(recovered));
  return log;
}

}  // namespace sisyphus::wal
