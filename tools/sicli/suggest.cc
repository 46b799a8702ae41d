#include "tools/sicli/suggest.h"

#include <algorithm>
#include <utility>

namespace sisyphus::sicli {
namespace {

// What other tools call it.
constexpr std::pair<std::string_view, std::string_view> kOtherWords[] = {
    {"set", "put"},          {"write", "put"},      {"read", "get"},      {"cat", "get"},
    {"del", "delete"},       {"rm", "delete"},      {"remove", "delete"}, {"ls", "scan"},
    {"list", "scan"},        {"keys", "scan"},      {"range", "scan"},    {"backup", "snapshot"},
    {"subscribe", "watch"},  {"members", "member"}, {"nodes", "status"},  {"rm", "remove"},
    {"delete", "remove"},    {"info", "status"},    {"ls", "list"},       {"transaction", "txn"},
    {"configure", "config"}, {"dump", "export"},    {"load", "import"},   {"create", "grant"},
    {"delete", "revoke"},
};

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> far(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        far[i][j] = i + j;
        continue;
      }
      far[i][j] = std::min({far[i - 1][j] + 1, far[i][j - 1] + 1,
                            far[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        far[i][j] = std::min(far[i][j], far[i - 2][j - 2] + 1);
      }
    }
  }
  return far[a.size()][b.size()];
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto said = [](const std::string& best) { return "; did you mean " + best + "?"; };
  if (word.size() > 64) return "";
  for (const auto& [other, ours] : kOtherWords) {
    const auto candidate = std::find(candidates.begin(), candidates.end(), ours);
    if (other == word && candidate != candidates.end()) return said(*candidate);
  }
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const bool begins = word.size() >= 2 && candidate.starts_with(word);
    const size_t distance = begins ? 1 : EditDistance(word, candidate);
    if (distance < least) {
      least = distance;
      best = &candidate;
    }
  }
  return best == nullptr ? "" : said(*best);
}

}  // namespace sisyphus::sicli
