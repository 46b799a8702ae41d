#include "tools/sicli/curl.h"

#include <algorithm>

#include "base/text.h"

namespace sisyphus::sicli {
namespace {

std::string HexByte(char c) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
}

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

bool NeedsNoQuotes(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./:@%+=,").find(c) != std::string_view::npos;
  });
}

// For $'...' and for printf: a letter behind \xHH would not be taken for another digit, since
// bash reads at most two.
std::string Ansi(std::string_view bytes, char quote, bool percent) {
  std::string out;
  while (!bytes.empty()) {
    const size_t n = Utf8CharacterSize(bytes);
    const char c = bytes.front();
    const auto byte = static_cast<unsigned char>(c);
    if (n == 0 || byte < 0x20 || byte == 0x7f) {
      out += HexByte(c);
      bytes.remove_prefix(1);
      continue;
    }
    if (c == '\\' || c == quote) {
      out += HexByte(c);
    } else if (percent && c == '%') {
      out += "%%";
    } else {
      out.append(bytes.substr(0, n));
    }
    bytes.remove_prefix(n);
  }
  return out;
}

}  // namespace

std::string ShellWord(std::string_view bytes) {
  if (NeedsNoQuotes(bytes)) return std::string(bytes);
  if (!IsUtf8(bytes) || !IsPlain(bytes)) return "$'" + Ansi(bytes, '\'', false) + "'";
  std::string out = "'";
  for (const char c : bytes) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out.push_back(c);
    }
  }
  return out + "'";
}

std::string CurlLine(const ClientRequest& request, const std::string& body_source) {
  std::string line = "curl";
  if (request.method == "HEAD") {
    line += " -I";
  } else if (request.method != "GET") {
    line += " -X " + request.method;
  }
  if (request.endless) line += " -N";
  for (const auto& [name, value] : request.headers) line += " -H " + ShellWord(name + ": " + value);
  std::string before;
  if (!body_source.empty()) {
    line += " --data-binary " + ShellWord(body_source);
  } else if (request.body.find('\0') != std::string::npos) {
    // No argument can hold that byte.
    before = "printf '" + Ansi(request.body, '\'', true) + "' | ";
    line += " --data-binary @-";
  } else if (!request.body.empty() || request.method == "PUT") {
    line += " --data-raw " + ShellWord(request.body);
  }
  return before + line + " " + ShellWord(request.url);
}

}  // namespace sisyphus::sicli
