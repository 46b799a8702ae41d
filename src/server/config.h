// Config: what one sisyphusd is told, by flags, SISYPHUS_* environment and a config file, in that
// order of precedence.
#ifndef SISYPHUS_SERVER_CONFIG_H_
#define SISYPHUS_SERVER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/server.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/types.h"
#include "raft/types.h"
#include "server/log.h"

namespace sisyphus::server {

enum class StatusPage : uint8_t { kOff, kRead, kWrite };

struct Config {
  NodeId id{1};
  std::string data_dir = "./sisyphus-data";
  std::string http_address = "127.0.0.1:8001";
  std::string peer_address = "127.0.0.1:9001";  // Where this node listens for its peers.
  std::string advertise_http;                   // Empty: the bound HTTP address.
  // The founding members, sorted by id. Empty: a store of one node.
  std::vector<raft::Membership::Address> cluster;
  // A new node that waits to be added to a running cluster: `cluster` are members of it, and
  // `cluster_id` is its id, or empty when `cluster` names exactly the founding members.
  bool join = false;
  std::string cluster_id;

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  Duration slow_operation = std::chrono::milliseconds(500);  // Told in the log; 0: none is.
  bool etcd_metrics = false;  // Metrics also under the names that etcd's dashboards ask for.
  bool simple_endpoints = true;
  StatusPage status_page = StatusPage::kRead;
  int io_threads = 1;
  api::Limits limits;
  Duration heartbeat_interval = std::chrono::milliseconds(50);
  Duration election_timeout = std::chrono::milliseconds(400);
  uint64_t memtable_bytes = 64 << 20;
  uint64_t block_cache_bytes = 256 << 20;
  uint64_t log_segment_bytes = 64 << 20;
  uint64_t log_keep_bytes = 128 << 20;
  uint64_t log_max_bytes = 1 << 30;
  uint64_t min_free_bytes = 256 << 20;
  uint64_t snapshot_bytes_per_second = 0;
  uint64_t history_revisions = 1'000'000;
  uint64_t max_watches = 10'000;
};

// What came out of the command line.
struct ParsedConfig {
  Config config;
  // Set when the command line asked for something other than a start (--help, --version), or cannot
  // be understood: print it and exit with `exit_code`.
  std::optional<std::string> message;
  int exit_code = 0;  // 2 with a wrong command line; the message is one line then.
};

ParsedConfig ParseConfig(int argc, const char* const* argv, const std::string& host_name);

// "3" from "sisyphus-3": the trailing ordinal of a host name, plus one, since ordinals begin at 0
// and ids at 1.
StatusOr<NodeId> IdFromHostName(const std::string& host_name);

// "1=HOST:PORT,2=HOST:PORT". kInvalidArgument says what is wrong with which part.
StatusOr<std::vector<raft::Membership::Address>> ParseCluster(const std::string& text);

// HOST:PORT with a port of 0 to 65535.
Status CheckAddress(const std::string& flag, const std::string& address);

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_CONFIG_H_
