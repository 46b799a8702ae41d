#include "tools/sicli/transfer/dump.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/status.h"
#include "client/json.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/render.h"

namespace sisyphus::sicli {
namespace {

constexpr char kHeader[] = "export";
constexpr char kEnd[] = "export_end";
constexpr uint64_t kFormat = 1;
constexpr size_t kReadBytes = 1 << 20;    // More than a first line.
constexpr size_t kMaxEndBytes = 1 << 10;  // Likewise of a last one.

Status Wrong(const std::string& what) { return MakeStatus(StatusCode::kInvalidArgument, what); }

std::string Text(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

StatusOr<DumpHeader> ParseHeader(const client::Json& object) {
  const auto format = client::NumberIn(object, "format");
  const auto revision = client::NumberIn(object, "revision");
  if (!object.is_object() || !format || !revision) return Wrong("this is no export's first line");
  if (*format != kFormat)
    return Wrong("this is of a newer sicli: format " + std::to_string(*format));
  DumpHeader header{.revision = *revision, .cluster_id = client::TextIn(object, "cluster_id")};
  for (const auto& [name, bytes] :
       {std::pair("start", &header.range.start), std::pair("end", &header.range.end)}) {
    const bool there = object.contains(name) || object.contains(std::string(name) + "_base64");
    if (there && !client::BytesIn(object, name, bytes)) {
      return Wrong("\"" + std::string(name) + "\" is no key");
    }
  }
  return header;
}

// What else stands in the line of a key is a mistake: of a misspelt name the effect would be
// missing.
Status CheckNames(const client::Json& object) {
  static constexpr std::string_view kKnown[] = {
      "key",          "key_base64", "value", "value_base64", "create_revision",
      "mod_revision", "version",    "lease"};
  for (const auto& [name, value] : object.items()) {
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
      return Wrong("\"" + name + "\" means nothing here");
    }
  }
  return OkStatus();
}

StatusOr<KeyValue> ParseKey(const client::Json& object) {
  SIS_RETURN_IF_ERROR(CheckNames(object));
  KeyValue kv;
  for (const auto& [name, bytes] : {std::pair("key", &kv.key), std::pair("value", &kv.value)}) {
    const std::string coded = std::string(name) + "_base64";
    const bool text = object.contains(name);
    if (text == object.contains(coded)) {
      return Wrong("there is " + std::string(text ? "" : "no ") + "\"" + name + "\"" +
                   (text ? " and \"" + coded + "\"" : ""));
    }
    if (!client::BytesIn(object, name, bytes)) {
      return Wrong(text ? "\"" + std::string(name) + "\" is no string"
                        : "\"" + coded + "\" is no base64");
    }
  }
  if (kv.key.empty()) return Wrong("a key must not be empty");
  for (const auto& [name, number] :
       {std::pair("create_revision", &kv.create_revision),
        std::pair("mod_revision", &kv.mod_revision), std::pair("version", &kv.version),
        std::pair("lease", &kv.lease)}) {
    if (!object.contains(name)) continue;
    const auto value = client::NumberIn(object, name);
    if (!value) return Wrong("\"" + std::string(name) + "\" is no number");
    *number = *value;
  }
  return kv;
}

}  // namespace

std::string LineOf(const DumpHeader& header) {
  Json object = {{"format", kFormat}, {"revision", header.revision}};
  if (!header.cluster_id.empty()) object["cluster_id"] = header.cluster_id;
  if (!header.range.start.empty()) SetBytes(&object, "start", header.range.start);
  if (!header.range.end.empty()) SetBytes(&object, "end", header.range.end);
  return Text({{kHeader, object}});
}

std::string LineOf(const DumpEnd& end) { return Text({{kEnd, {{"keys", end.keys}}}}); }

void AppendLine(const KeyValue& kv, std::string* out) {
  out->append(Text(KeyValueJson(kv, false)));
}

StatusOr<DumpLine> ParseDumpLine(std::string_view line) {
  const client::Json object = client::Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) return Wrong("this is no JSON");
  if (!object.is_object()) return Wrong("this is no JSON object");
  if (const auto header = object.find(kHeader); header != object.end()) {
    return ParseHeader(*header);
  }
  if (const auto end = object.find(kEnd); end != object.end()) {
    const auto keys = client::NumberIn(*end, "keys");
    if (!end->is_object() || !keys) return Wrong("this is no export's last line");
    return DumpEnd{*keys};
  }
  return ParseKey(object);
}

namespace {

// Where the lines of a file are: nothing is read but newlines.
struct Lines {
  uint64_t whole = 0;       // That end in a newline.
  uint64_t first_end = 0;   // Behind the first one's newline.
  uint64_t last_start = 0;  // Of the last whole one.
  uint64_t end = 0;         // Behind its newline.
};

StatusOr<Lines> FindLines(const RandomAccessFile& file) {
  Lines lines;
  std::string scratch(kReadBytes, '\0');
  for (uint64_t at = 0; at < file.size();) {
    SIS_ASSIGN_OR_RETURN(const std::string_view data, file.ReadAt(at, kReadBytes, scratch.data()));
    if (data.empty()) break;
    for (size_t i = data.find('\n'); i != std::string_view::npos; i = data.find('\n', i + 1)) {
      lines.last_start = std::exchange(lines.end, at + i + 1);
      if (++lines.whole == 1) lines.first_end = lines.end;
    }
    at += data.size();
  }
  return lines;
}

StatusOr<DumpLine> ReadDumpLine(const RandomAccessFile& file, uint64_t start, uint64_t end) {
  if (end - start > kMaxLineBytes) return Wrong("a line is too long");
  std::string buffer(end - start, '\0');
  SIS_ASSIGN_OR_RETURN(std::string_view line, file.ReadAt(start, buffer.size(), buffer.data()));
  if (line.ends_with('\n')) line.remove_suffix(1);
  return ParseDumpLine(line);
}

}  // namespace

StatusOr<DumpFile> InspectDump(const RandomAccessFile& file) {
  DumpFile found;
  SIS_ASSIGN_OR_RETURN(const Lines lines, FindLines(file));
  if (lines.whole == 0) return found;
  SIS_ASSIGN_OR_RETURN(const DumpLine first, ReadDumpLine(file, 0, lines.first_end));
  if (!std::holds_alternative<DumpHeader>(first)) return Wrong("its first line is no export's");
  found.begun = true;
  found.header = std::get<DumpHeader>(first);
  found.keys = lines.whole - 1;
  found.whole_bytes = lines.end;
  if (lines.whole == 1) return found;
  SIS_ASSIGN_OR_RETURN(DumpLine last, ReadDumpLine(file, lines.last_start, lines.end));
  if (std::holds_alternative<DumpEnd>(last)) {
    found.finished = true;
    --found.keys;
  } else if (auto* kv = std::get_if<KeyValue>(&last)) {
    found.last_key = std::move(kv->key);
  } else {
    return Wrong("its last line is no key");
  }
  return found;
}

StatusOr<bool> LacksItsEnd(const RandomAccessFile& file) {
  std::string scratch(kReadBytes, '\0');
  SIS_ASSIGN_OR_RETURN(std::string_view data, file.ReadAt(0, kReadBytes, scratch.data()));
  const auto first = ParseDumpLine(data.substr(0, data.find('\n')));
  if (!first.ok() || !std::holds_alternative<DumpHeader>(*first)) return false;
  const uint64_t tail = std::min<uint64_t>(file.size(), kMaxEndBytes);
  SIS_ASSIGN_OR_RETURN(data, file.ReadAt(file.size() - tail, tail, scratch.data()));
  if (data.ends_with('\n')) data.remove_suffix(1);
  const size_t newline = data.rfind('\n');
  if (newline == std::string_view::npos) return true;
  const auto last = ParseDumpLine(data.substr(newline + 1));
  return !last.ok() || !std::holds_alternative<DumpEnd>(*last);
}

Status Completeness::Take(const DumpLine& line, uint64_t keys) {
  if (ended_) return Wrong("something stands behind the end of the export");
  if (std::holds_alternative<DumpHeader>(line)) {
    if (begun_ || keys != 0) return Wrong("an export begins in the middle");
    begun_ = true;
  } else if (const auto* end = std::get_if<DumpEnd>(&line)) {
    ended_ = true;
    if (end->keys != keys) {
      return Wrong("the export had " + std::to_string(end->keys) + " keys, here are " +
                   std::to_string(keys));
    }
  }
  return OkStatus();
}

}  // namespace sisyphus::sicli
