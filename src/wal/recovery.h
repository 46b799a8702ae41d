// What Open finds in a log's directory: which segments count, where the last one really ends, and
// whether what is wrong there is the mark of a crash or damage.
//
// A crash can leave two marks, both in the last segment: a last batch that was written in part (cut
// off), and a segment whose creation was not finished (as if it were not there). Nothing that was
// acknowledged can be in either, because what follows in the log is written only after the sync
// that makes it whole. So a valid later batch behind a bad record, or a valid record of the
// caller's behind a bad beginning, proves damage, as does anything bad in an earlier segment.
#ifndef SISYPHUS_WAL_RECOVERY_H_
#define SISYPHUS_WAL_RECOVERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "wal/log.h"

namespace sisyphus::wal {

struct RecoveredSegment {
  uint64_t segment = 0;
  uint64_t end = 0;  // Of its records.
};

// Replays all records in order. Changes nothing on the disk. The answer's numbers are consecutive;
// a segment whose creation was not finished is not among them, and its number is to be used again.
StatusOr<std::vector<RecoveredSegment>> Recover(FileSystem& fs, const std::string& directory,
                                                const Log::Replay& replay);

}  // namespace sisyphus::wal

#endif  // SISYPHUS_WAL_RECOVERY_H_
