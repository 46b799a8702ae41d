// What the expected texts of raft-interaction tell of the nodes.
#ifndef SISYPHUS_TESTS_CONFORMANCE_RAFT_TRACE_H_
#define SISYPHUS_TESTS_CONFORMANCE_RAFT_TRACE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sisyphus::testing {

// As far as it has been told.
struct TracedNode {
  std::optional<std::string> term;
  std::optional<std::string> vote;
  std::optional<std::string> commit;
  std::optional<std::string> role;
  std::optional<std::string> leader;
  std::optional<std::string> membership;
  std::map<uint64_t, std::string> log;  // `term/index Type "data"`, a change's content left out.
};
using TraceModel = std::map<uint64_t, TracedNode>;

// Without indentation, and without what a membership change holds.
std::string TraceEntry(const std::string& line);

// `node`: whom a text without "> n handling Ready" speaks of; 0 for none.
void ReplayTrace(const std::vector<std::string>& lines, uint64_t node, TraceModel* model);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_CONFORMANCE_RAFT_TRACE_H_
