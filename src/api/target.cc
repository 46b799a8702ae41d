#include "api/target.h"

#include <utility>

#include "api/http_types.h"

namespace sisyphus::api {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

StatusOr<Target> ParseTarget(std::string_view target) {
  if (target.find('#') != std::string_view::npos) {
    return MakeStatus(StatusCode::kInvalidArgument, "the request target has a fragment");
  }
  if (!target.starts_with('/')) {
    constexpr std::string_view kScheme = "http://";
    if (!EqualsIgnoreCase(target.substr(0, kScheme.size()), kScheme)) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        "the request target is neither a path nor an http address");
    }
    target.remove_prefix(kScheme.size());
    const size_t authority_end = std::min(target.find_first_of("/?"), target.size());
    if (authority_end == 0 || target.substr(0, authority_end).find('@') != std::string_view::npos) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        "the request target names no host, or a user");
    }
    target.remove_prefix(authority_end);
  }
  const size_t question = std::min(target.find('?'), target.size());
  Target result;
  result.path = target.substr(0, question);
  if (result.path.empty()) result.path = "/";
  if (question < target.size()) result.query = target.substr(question + 1);
  return result;
}

bool PercentDecode(std::string_view text, Plus plus, std::string* out) {
  out->reserve(out->size() + text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return false;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out->push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else if (c == '+' && plus == Plus::kBlank) {
      out->push_back(' ');
    } else {
      out->push_back(c);
    }
  }
  return true;
}

StatusOr<std::vector<QueryParameter>> ParseQuery(std::string_view query) {
  std::vector<QueryParameter> parameters;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    QueryParameter parameter;
    parameter.has_value = equals < pair.size();
    bool good = PercentDecode(pair.substr(0, equals), Plus::kBlank, &parameter.name);
    if (parameter.has_value) {
      good = good && PercentDecode(pair.substr(equals + 1), Plus::kBlank, &parameter.value);
    }
    if (!good) {
      return MakeStatus(StatusCode::kInvalidArgument, "bad percent-encoding in the query");
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

}  // namespace sisyphus::api
