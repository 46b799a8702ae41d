// What came of a chaos run: the verdict about its histories, and all of it in words and JSON.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REPORT_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "tools/sicli/load/chaos_driver.h"

namespace sisyphus::sicli {

struct ChaosVerdict {
  bool violated = false;
  std::string key;         // Of the violation.
  std::string why;         // Where the search for an order got stuck.
  uint64_t undecided = 0;  // Keys whose search would take too long.
};

// Looks for an order of each key's operations that explains every answer. Stops at the first key
// that has none.
ChaosVerdict JudgeChaos(const ChaosResult& result);

// "PASS", "FAIL", or "NO VERDICT": some key was not read in the end, or not decided.
std::string VerdictName(const ChaosResult& result, const ChaosVerdict& verdict);

std::string ChaosText(const ChaosResult& result, const ChaosVerdict& verdict);
nlohmann::ordered_json ChaosJson(const ChaosResult& result, const ChaosVerdict& verdict);

// The operations on `key`, in the order of their calls, a line each.
std::string HistoryText(const ChaosResult& result, const std::string& key);

// Writes the whole history to a file, one JSON object a line, the operations on `first_key` before
// all others. kInternal: it cannot be written.
Status SaveHistory(const ChaosResult& result, const std::string& first_key,
                   const std::string& path);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REPORT_H_
