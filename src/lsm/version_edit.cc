#include "lsm/version_edit.h"

#include "sisyphus/db.h"

namespace sisyphus::lsm {
namespace {

enum Tag : uint64_t { kFlushed = 1, kNextFileNumber = 2, kRemoved = 3, kAdded = 4 };

void PutTable(std::string* out, const TableMeta& table) {
  const TableProperties& p = table.properties;
  for (const uint64_t field : {p.number, table.size_bytes, p.entries, p.deletions,
                               p.smallest_sequence, p.largest_sequence}) {
    PutVarint64(out, field);
  }
  PutLengthPrefixed(out, p.smallest);
  PutLengthPrefixed(out, p.largest);
}

TableMeta ReadTable(Decoder& decoder) {
  TableMeta table;
  TableProperties& p = table.properties;
  for (uint64_t* field : {&p.number, &table.size_bytes, &p.entries, &p.deletions,
                          &p.smallest_sequence, &p.largest_sequence}) {
    *field = decoder.Varint64();
  }
  p.smallest = decoder.LengthPrefixed();
  p.largest = decoder.LengthPrefixed();
  return table;
}

bool WellFormed(const TableMeta& table) {
  return table.properties.smallest.size() >= kTrailerBytes &&
         table.properties.largest.size() >= kTrailerBytes &&
         Compare(table.smallest(), table.largest()) <= 0;
}

}  // namespace

std::string VersionEdit::Encode() const {
  std::string out;
  if (flushed) {
    PutVarint64(&out, kFlushed);
    PutVarint64(&out, flushed->sequence);
    PutVarint64(&out, flushed->term);
    PutVarint64(&out, flushed->digest);
  }
  if (next_file_number) {
    PutVarint64(&out, kNextFileNumber);
    PutVarint64(&out, *next_file_number);
  }
  for (const Removed& file : removed) {
    PutVarint64(&out, kRemoved);
    PutVarint64(&out, static_cast<uint64_t>(file.level));
    PutVarint64(&out, file.number);
  }
  for (const Added& file : added) {
    PutVarint64(&out, kAdded);
    PutVarint64(&out, static_cast<uint64_t>(file.level));
    PutTable(&out, file.table);
  }
  return out;
}

StatusOr<VersionEdit> VersionEdit::Decode(std::string_view bytes) {
  Decoder decoder(bytes);
  VersionEdit edit;
  bool sound = true;
  const auto read_level = [&] {
    const uint64_t level = decoder.Varint64();
    sound = sound && level < kLevels;
    return sound ? static_cast<int>(level) : 0;
  };
  while (sound && decoder.ok() && !decoder.Done()) {
    switch (decoder.Varint64()) {
      case kFlushed: {
        Position position;
        position.sequence = decoder.Varint64();
        position.term = decoder.Varint64();
        position.digest = decoder.Varint64();
        edit.flushed = position;
        break;
      }
      case kNextFileNumber:
        edit.next_file_number = decoder.Varint64();
        break;
      case kRemoved: {
        const int level = read_level();
        edit.removed.push_back({level, decoder.Varint64()});
        break;
      }
      case kAdded: {
        const int level = read_level();
        edit.added.push_back({level, ReadTable(decoder)});
        sound = sound && decoder.ok() && WellFormed(edit.added.back().table);
        break;
      }
      default:
        sound = false;
    }
  }
  if (!sound || !decoder.ok()) {
    return MakeStatus(StatusCode::kDataLoss, "malformed version edit");
  }
  return edit;
}

}  // namespace sisyphus::lsm
