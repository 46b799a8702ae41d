// Cursor: where a walk over a range goes on, as a client carries it from answer to answer.
//
// It holds all that the next step needs, so any node can take it. Opaque to clients; its text is
// lower-case hexadecimal of
//   version 1 u8 | flags u8 (1: reverse) | revision varint | start bytes | end bytes | fixed32
// where bytes are a varint length and the content, and the last four are the low half of the XXH3
// checksum of all before.
#ifndef SISYPHUS_API_CURSOR_H_
#define SISYPHUS_API_CURSOR_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "kv/interval_index.h"

namespace sisyphus::api {

struct Cursor {
  Index revision;
  bool reverse = false;
  kv::KeyRange rest;  // Of the range: what has not been answered yet.
};

std::string EncodeCursor(const Cursor& cursor);
// kInvalidArgument: not a cursor of this server.
StatusOr<Cursor> DecodeCursor(std::string_view text);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_CURSOR_H_
