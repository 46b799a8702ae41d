#include "wal/recovery.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "wal/format.h"
#include "wal/segment_reader.h"

namespace sisyphus::wal {
namespace {

StatusOr<std::vector<uint64_t>> ListSegments(FileSystem& fs, const std::string& directory) {
  SIS_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = SegmentOfName(name);
    // Written differently (capital digits), a name would be found here and never again.
    if (number && SegmentPath(directory, *number) == directory + "/" + name) {
      numbers.push_back(*number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] != numbers[i - 1] + 1) {
      return MakeStatus(StatusCode::kDataLoss, SegmentPath(directory, numbers[i - 1] + 1) +
                                                   ": the segment is missing, later ones exist");
    }
  }
  return numbers;
}

// Where the preamble stops being readable; its end if it is whole.
StatusOr<uint64_t> ReadablePreamble(SegmentReader& reader, const SegmentHeader& header) {
  uint64_t offset = kSegmentHeaderBytes;
  while (offset < kSegmentHeaderBytes + uint64_t{header.preamble_bytes}) {
    SIS_ASSIGN_OR_RETURN(const auto entry, reader.ReadRecord(offset));
    if (!entry || !entry->header.preamble) break;
    offset += RecordBytes(entry->header.length);
  }
  return offset;
}

// What the last segment's beginning says.
struct Beginning {
  bool finished = false;                // Else a crash cut the segment's creation short.
  std::optional<SegmentHeader> header;  // If readable; it is when finished.
};

// Requires: the segment is the last one. `only`: and the first one.
StatusOr<Beginning> ExamineLast(SegmentReader& reader, bool only) {
  uint64_t bad = 0;
  Beginning beginning;
  StatusOr<SegmentHeader> header = reader.ReadHeader();
  if (header.ok()) {
    beginning.header = *header;
    SIS_ASSIGN_OR_RETURN(bad, ReadablePreamble(reader, *header));
    beginning.finished = bad == kSegmentHeaderBytes + uint64_t{header->preamble_bytes};
    if (beginning.finished) return beginning;
  } else if (header.status().code() != StatusCode::kDataLoss) {
    return header.status();
  }
  SIS_ASSIGN_OR_RETURN(const std::optional<uint64_t> later,
                       reader.FindRecord(kSegmentHeaderBytes, [](const RecordHeader& record) {
                         return !record.preamble;
                       }));
  if (later) {
    return DamageAt(reader.path(), bad,
                    "the segment's beginning is damaged (a later batch is readable at offset " +
                        std::to_string(*later) + ")");
  }
  // Earlier segments are dropped only once this one is safe: without them it was.
  if (only && reader.segment() != 1) {
    return DamageAt(reader.path(), bad, "the beginning of the only segment is damaged");
  }
  return beginning;
}

// Replays one segment up to `end`, or, without it, up to the first bad record. Answers where it
// stopped.
StatusOr<uint64_t> ReplayRecords(SegmentReader& reader, std::optional<uint64_t> end,
                                 const Log::Replay& replay) {
  uint64_t offset = kSegmentHeaderBytes;
  while (!end || offset < *end) {
    SIS_ASSIGN_OR_RETURN(const auto entry, reader.ReadRecord(offset));
    if (!entry) break;
    const RecordLocation location{reader.segment(), offset, entry->header.length};
    SIS_RETURN_IF_ERROR(replay(entry->header.type, entry->payload, location));
    offset += RecordBytes(entry->header.length);
  }
  if (end) {
    if (offset == *end) return offset;
    return DamageAt(
        reader.path(), offset,
        "a record is damaged (the segment's records end at offset " + std::to_string(*end) + ")");
  }
  SIS_ASSIGN_OR_RETURN(const std::optional<uint64_t> later,
                       reader.FindRecord(offset, [offset](const RecordHeader& record) {
                         return record.batch_begin > offset;
                       }));
  if (later) {
    return DamageAt(
        reader.path(), offset,
        "a record is damaged (a later batch is readable at offset " + std::to_string(*later) + ")");
  }
  return offset;
}

}  // namespace

StatusOr<std::vector<RecoveredSegment>> Recover(FileSystem& fs, const std::string& directory,
                                                const Log::Replay& replay) {
  SIS_ASSIGN_OR_RETURN(const std::vector<uint64_t> numbers, ListSegments(fs, directory));
  std::vector<SegmentHeader> headers;
  std::optional<uint64_t> last_end;  // Known only from the header of one that was begun behind it.
  for (const uint64_t number : numbers) {
    SIS_ASSIGN_OR_RETURN(const std::unique_ptr<SegmentReader> reader,
                         SegmentReader::Open(fs, SegmentPath(directory, number), number));
    if (number != numbers.back()) {
      SIS_ASSIGN_OR_RETURN(headers.emplace_back(), reader->ReadHeader());
      continue;
    }
    SIS_ASSIGN_OR_RETURN(const Beginning last, ExamineLast(*reader, /*only=*/numbers.size() == 1));
    if (last.finished) {
      headers.push_back(*last.header);
    } else if (last.header) {
      last_end = last.header->previous_end;
    }
  }

  std::vector<RecoveredSegment> recovered;
  for (size_t i = 0; i < headers.size(); ++i) {
    const uint64_t number = headers[i].segment;
    SIS_ASSIGN_OR_RETURN(const std::unique_ptr<SegmentReader> reader,
                         SegmentReader::Open(fs, SegmentPath(directory, number), number));
    const std::optional<uint64_t> end =
        i + 1 < headers.size() ? headers[i + 1].previous_end : last_end;
    SIS_ASSIGN_OR_RETURN(const uint64_t stopped, ReplayRecords(*reader, end, replay));
    recovered.push_back({number, stopped});
  }
  return recovered;
}

}  // namespace sisyphus::wal
