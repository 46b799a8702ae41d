// What the tests of the log share: opening one, and records whose order can be checked.
#ifndef SISYPHUS_TESTS_UNIT_WAL_LOG_FIXTURE_H_
#define SISYPHUS_TESTS_UNIT_WAL_LOG_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/rng.h"
#include "wal/log.h"

namespace sisyphus::wal {

inline constexpr uint8_t kPreambleType = 7;
inline constexpr uint8_t kUserType = 9;
inline constexpr char kPreambleText[] = "what must be known then.";  // A multiple of 8 long.

struct SeenRecord {
  uint8_t type;
  std::string bytes;
  RecordLocation location;
};

struct Opened {
  std::unique_ptr<Log> log;
  std::vector<SeenRecord> seen;

  // Numbers of the caller's records, in the order of the replay.
  std::vector<uint64_t> Numbers() const {
    std::vector<uint64_t> numbers;
    for (const SeenRecord& record : seen) {
      if (record.type == kUserType) numbers.push_back(DecodeFixed64(record.bytes.data()));
    }
    return numbers;
  }
};

inline StatusOr<Opened> OpenLog(FileSystem& fs, const std::string& directory,
                                uint64_t segment_bytes) {
  Opened opened;
  const auto replay = [&opened](uint8_t type, std::string_view bytes,
                                const RecordLocation& location) {
    opened.seen.push_back({type, std::string(bytes), location});
    return OkStatus();
  };
  const auto preamble = [] { return std::vector<Record>{{kPreambleType, kPreambleText, {}}}; };
  LogOptions options;
  options.segment_bytes = segment_bytes;
  SIS_ASSIGN_OR_RETURN(opened.log, Log::Open(fs, directory, options, replay, preamble));
  return opened;
}

// The bytes of record `number`: the number, then bytes that follow from it.
inline std::string BytesOf(uint64_t number, uint64_t max_body) {
  std::string bytes;
  PutFixed64(&bytes, number);
  Rng rng(number);
  for (uint64_t left = rng.Below(max_body + 1); left > 0; --left) {
    bytes.push_back(static_cast<char>(rng.Below(256)));
  }
  return bytes;
}

// Appends records `first` to `last` as one batch.
inline StatusOr<std::vector<RecordLocation>> AppendNumbers(Log& log, uint64_t first, uint64_t last,
                                                           uint64_t max_body) {
  std::vector<std::string> bytes;
  for (uint64_t number = first; number <= last; ++number) {
    bytes.push_back(BytesOf(number, max_body));
  }
  std::vector<Record> records;
  for (const std::string& text : bytes) {
    records.push_back(
        {kUserType, std::string_view(text).substr(0, 3), std::string_view(text).substr(3)});
  }
  return log.AppendBatch(records);
}

inline std::vector<uint64_t> Range(uint64_t first, uint64_t last) {
  std::vector<uint64_t> numbers;
  for (uint64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

}  // namespace sisyphus::wal

#endif  // SISYPHUS_TESTS_UNIT_WAL_LOG_FIXTURE_H_
