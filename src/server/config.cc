#include "server/config.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <utility>

#include "CLI/CLI.hpp"
#include "kv/txn.h"
#include "server/version.h"

namespace sisyphus::server {

namespace {

Status Invalid(const std::string& message) {
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

std::optional<uint64_t> ParseNumber(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || rest != end) return std::nullopt;
  return value;
}

// What the flags fill in before it is checked.
struct Flags {
  uint64_t id = 1;
  bool id_from_hostname = false;
  std::string cluster;
  bool join = false;
  std::string cluster_id;
  std::string simple_endpoints = "on";
  std::string status_page = "read";
  std::string log_level = "info";
  std::string log_format = "text";
  uint64_t slow_operation_ms = 500;
  std::string metrics_compat = "none";
  uint64_t heartbeat_ms = 50;
  uint64_t election_ms = 400;
  uint64_t request_ms = 5000;
  uint64_t reader_age_ms = 60'000;
  uint64_t header_ms = 10'000;
  uint64_t body_ms = 60'000;
  uint64_t idle_ms = 300'000;
};

void AddNodeFlags(CLI::App* app, Config* config, Flags* flags) {
  const auto env = [](CLI::Option* option, const char* name) { return option->envname(name); };
  env(app->add_option("--id", flags->id, "this node's id, 1 or more")->check(CLI::PositiveNumber),
      "SISYPHUS_ID")
      ->capture_default_str();
  env(app->add_flag("--id-from-hostname", flags->id_from_hostname,
                    "take the id from the trailing ordinal of the host name, plus one (sisyphus-0 "
                    "is node 1)"),
      "SISYPHUS_ID_FROM_HOSTNAME");
  env(app->add_option("--data-dir", config->data_dir, "where everything is kept"),
      "SISYPHUS_DATA_DIR")
      ->capture_default_str();
  env(app->add_option("--http", config->http_address,
                      "HOST:PORT to serve clients on; port 0 picks a free one"),
      "SISYPHUS_HTTP")
      ->capture_default_str();
  env(app->add_option("--peer", config->peer_address,
                      "HOST:PORT to listen on for peers; default: this node's address in "
                      "--cluster, or 127.0.0.1:9001"),
      "SISYPHUS_PEER");
  env(app->add_option("--cluster", flags->cluster,
                      "the founding members: 1=HOST:PEERPORT,2=HOST:PEERPORT,..."),
      "SISYPHUS_CLUSTER");
  env(app->add_flag("--join", flags->join,
                    "a new node that waits until `sicli member add` adds it to a running cluster: "
                    "--cluster names members of that one, without this node; give --peer, too"),
      "SISYPHUS_JOIN");
  env(app->add_option("--cluster-id", flags->cluster_id,
                      "with --join: the id of the cluster, from `sicli member list`; default: the "
                      "id of a cluster founded by exactly the members in --cluster"),
      "SISYPHUS_CLUSTER_ID");
  env(app->add_option("--advertise-http", config->advertise_http,
                      "HOST:PORT that other nodes and clients reach this node's API under; "
                      "default: the --http address"),
      "SISYPHUS_ADVERTISE_HTTP");
  env(app->add_option("--simple-endpoints", flags->simple_endpoints,
                      "serve /put, /get and /delete: on or off")
          ->check(CLI::IsMember({"on", "off"})),
      "SISYPHUS_SIMPLE_ENDPOINTS")
      ->capture_default_str();
  env(app->add_option("--status-page", flags->status_page,
                      "the page at /: off, read (it shows keys), or write (it changes them, too)")
          ->check(CLI::IsMember({"off", "read", "write"})),
      "SISYPHUS_STATUS_PAGE")
      ->capture_default_str();
}

void AddObservingFlags(CLI::App* app, Flags* flags) {
  const auto add = [app](const char* name, auto& target, const char* help, const char* env) {
    return app->add_option(name, target, help)
        ->envname(env)
        ->capture_default_str()
        ->group("Observing");
  };
  add("--log-level", flags->log_level,
      "trace, debug, info, warning, error or critical; /v1/log/level changes it later",
      "SISYPHUS_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical"}));
  add("--log-format", flags->log_format, "of a line on standard error: text or json",
      "SISYPHUS_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}));
  add("--slow-operation-ms", flags->slow_operation_ms,
      "from which on a request is told in the log with where its time went; 0: none is",
      "SISYPHUS_SLOW_OPERATION_MS")
      ->check(CLI::Range(0, 3'600'000));
  add("--metrics-compat", flags->metrics_compat,
      "etcd: serve metrics also under the names that etcd's dashboards and alerts ask for; or none",
      "SISYPHUS_METRICS_COMPAT")
      ->check(CLI::IsMember({"none", "etcd"}));
}

void AddTuningFlags(CLI::App* app, Config* config, Flags* flags) {
  const auto add = [app](const char* name, auto& target, const char* help, const char* env) {
    return app->add_option(name, target, help)
        ->envname(env)
        ->capture_default_str()
        ->group("Tuning");
  };
  add("--io-threads", config->io_threads, "threads that serve HTTP", "SISYPHUS_IO_THREADS")
      ->check(CLI::Range(1, 64));
  add("--heartbeat-interval-ms", flags->heartbeat_ms, "between a leader's heartbeats",
      "SISYPHUS_HEARTBEAT_INTERVAL_MS")
      ->check(CLI::Range(2, 10'000));
  add("--election-timeout-ms", flags->election_ms, "silence of the leader that starts an election",
      "SISYPHUS_ELECTION_TIMEOUT_MS")
      ->check(CLI::Range(10, 100'000));
  add("--request-timeout-ms", flags->request_ms, "for an answer to a client",
      "SISYPHUS_REQUEST_TIMEOUT_MS")
      ->check(CLI::Range(1, 3'600'000));
  add("--memtable-bytes", config->memtable_bytes, "written in memory before a table is flushed",
      "SISYPHUS_MEMTABLE_BYTES")
      ->check(CLI::Range(uint64_t{64} << 10, uint64_t{4} << 30));
  add("--block-cache-bytes", config->block_cache_bytes, "of table blocks kept in memory",
      "SISYPHUS_BLOCK_CACHE_BYTES")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 40));
  add("--log-segment-bytes", config->log_segment_bytes, "of one file of the Raft log",
      "SISYPHUS_LOG_SEGMENT_BYTES")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 30));
  add("--log-keep-bytes", config->log_keep_bytes,
      "of flushed log kept for followers that lag a little", "SISYPHUS_LOG_KEEP_BYTES")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 40));
  add("--log-max-bytes", config->log_max_bytes,
      "of flushed log kept at the most, however far a follower lags", "SISYPHUS_LOG_MAX_BYTES")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 40));
  add("--min-free-bytes", config->min_free_bytes,
      "left on the disk when this node, leading, begins to refuse writes",
      "SISYPHUS_MIN_FREE_BYTES")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 50));
  add("--snapshot-bytes-per-second", config->snapshot_bytes_per_second,
      "asked of a leader while this node receives a snapshot; 0: no bound",
      "SISYPHUS_SNAPSHOT_BYTES_PER_SECOND")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 40));
}

// What one client may ask for, and how long it may take over it.
void AddLimitFlags(CLI::App* app, Config* config, Flags* flags) {
  const auto add = [app](const char* name, auto& target, const char* help, const char* env) {
    return app->add_option(name, target, help)
        ->envname(env)
        ->capture_default_str()
        ->group("Limits");
  };
  add("--max-key-bytes", config->limits.max_key_bytes, "longest key", "SISYPHUS_MAX_KEY_BYTES")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  add("--max-value-bytes", config->limits.max_value_bytes, "longest value",
      "SISYPHUS_MAX_VALUE_BYTES")
      ->check(CLI::Range(uint64_t{1}, uint64_t{32} << 20));
  add("--max-header-bytes", config->limits.max_header_bytes,
      "request line and headers, beside one key", "SISYPHUS_MAX_HEADER_BYTES")
      ->check(CLI::Range(uint64_t{1} << 10, uint64_t{1} << 20));
  add("--max-txn-operations", config->limits.max_txn_operations,
      "comparisons and operations of one transaction", "SISYPHUS_MAX_TXN_OPERATIONS")
      ->check(CLI::Range(size_t{1}, kv::kMaxTxnOperations));
  add("--max-txn-bytes", config->limits.max_txn_bytes, "of one transaction's JSON",
      "SISYPHUS_MAX_TXN_BYTES")
      ->check(CLI::Range(uint64_t{1} << 10, uint64_t{32} << 20));
  add("--max-connections", config->limits.max_connections, "client connections",
      "SISYPHUS_MAX_CONNECTIONS")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  add("--max-connections-per-address", config->limits.max_connections_per_address,
      "client connections from one address (of IPv6: from one network of 64 bits)",
      "SISYPHUS_MAX_CONNECTIONS_PER_ADDRESS")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  add("--max-inflight-bytes", config->limits.max_inflight_bytes,
      "of request bodies and large answers under way", "SISYPHUS_MAX_INFLIGHT_BYTES")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{64} << 30));
  add("--header-timeout-ms", flags->header_ms,
      "from the first byte of a request to the end of its header fields",
      "SISYPHUS_HEADER_TIMEOUT_MS")
      ->check(CLI::Range(1, 3'600'000));
  add("--body-timeout-ms", flags->body_ms,
      "for a request's body to come, and for a client to take what was sent to it",
      "SISYPHUS_BODY_TIMEOUT_MS")
      ->check(CLI::Range(1, 3'600'000));
  add("--idle-timeout-ms", flags->idle_ms, "for a connection between two requests",
      "SISYPHUS_IDLE_TIMEOUT_MS")
      ->check(CLI::Range(1, 86'400'000));
}

void AddHistoryFlags(CLI::App* app, Config* config, Flags* flags) {
  const auto add = [app](const char* name, auto& target, const char* help, const char* env) {
    return app->add_option(name, target, help)
        ->envname(env)
        ->capture_default_str()
        ->group("History");
  };
  add("--history-revisions", config->history_revisions,
      "kept for reads of the past and for watches; counts on the leader; 0: no bound",
      "SISYPHUS_HISTORY_REVISIONS")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 50));
  add("--max-watches", config->max_watches, "open at once on this node", "SISYPHUS_MAX_WATCHES")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 20));
  add("--max-scans", config->limits.max_scans, "ranges being read at once on this node",
      "SISYPHUS_MAX_SCANS")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 16));
  add("--max-reader-age-ms", flags->reader_age_ms,
      "for which the reader of a range may pin tables that compaction has replaced",
      "SISYPHUS_MAX_READER_AGE_MS")
      ->check(CLI::Range(1, 3'600'000));
}

// Of a node that joins: it is no founder, and it must be told where the others are.
Status FinishJoin(const CLI::App& app, const Flags& flags, Config* config) {
  config->join = true;
  if (flags.cluster.empty()) return Invalid("--join needs --cluster, with members of the cluster");
  if (app.count("--peer") == 0) return Invalid("--join needs --peer, where the members find it");
  SIS_ASSIGN_OR_RETURN(config->cluster, ParseCluster(flags.cluster));
  for (const auto& member : config->cluster) {
    if (member.id != config->id) continue;
    return Invalid("--join: node " + ToString(config->id) +
                   " is in --cluster already; a new node needs an id that was never used");
  }
  config->cluster_id = flags.cluster_id;
  const bool is_id = flags.cluster_id.size() == 16 &&
                     flags.cluster_id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!flags.cluster_id.empty() && !is_id) {
    return Invalid("--cluster-id '" + flags.cluster_id + "' is not 16 hexadecimal digits");
  }
  return OkStatus();
}

Status FinishConfig(const CLI::App& app, const Flags& flags, const std::string& host_name,
                    Config* config) {
  if (flags.id_from_hostname) {
    if (app.count("--id") > 0) return Invalid("--id and --id-from-hostname exclude each other");
    SIS_ASSIGN_OR_RETURN(config->id, IdFromHostName(host_name));
  } else {
    if (flags.id == 0) return Invalid("--id 0: ids begin at 1");
    config->id = NodeId(flags.id);
  }
  if (flags.join) {
    SIS_RETURN_IF_ERROR(FinishJoin(app, flags, config));
  } else if (!flags.cluster_id.empty()) {
    return Invalid("--cluster-id goes with --join");
  } else if (!flags.cluster.empty()) {
    SIS_ASSIGN_OR_RETURN(config->cluster, ParseCluster(flags.cluster));
    const auto self = std::find_if(config->cluster.begin(), config->cluster.end(),
                                   [&](const auto& member) { return member.id == config->id; });
    if (self == config->cluster.end()) {
      return Invalid("--cluster " + flags.cluster + ": this node's id " + ToString(config->id) +
                     " is not in it");
    }
    if (app.count("--peer") == 0) config->peer_address = self->peer;
  }
  SIS_RETURN_IF_ERROR(CheckAddress("--http", config->http_address));
  SIS_RETURN_IF_ERROR(CheckAddress("--peer", config->peer_address));
  if (!config->advertise_http.empty())
    SIS_RETURN_IF_ERROR(CheckAddress("--advertise-http", config->advertise_http));
  if (flags.election_ms < 4 * flags.heartbeat_ms) {
    return Invalid("--election-timeout-ms " + std::to_string(flags.election_ms) +
                   ": must be at least 4 times --heartbeat-interval-ms " +
                   std::to_string(flags.heartbeat_ms));
  }
  config->heartbeat_interval = std::chrono::milliseconds(flags.heartbeat_ms);
  config->election_timeout = std::chrono::milliseconds(flags.election_ms);
  config->limits.request_timeout = std::chrono::milliseconds(flags.request_ms);
  config->limits.max_reader_age = std::chrono::milliseconds(flags.reader_age_ms);
  config->limits.header_timeout = std::chrono::milliseconds(flags.header_ms);
  config->limits.body_timeout = std::chrono::milliseconds(flags.body_ms);
  config->limits.idle_timeout = std::chrono::milliseconds(flags.idle_ms);
  config->simple_endpoints = flags.simple_endpoints == "on";
  config->status_page = flags.status_page == "off"     ? StatusPage::kOff
                        : flags.status_page == "write" ? StatusPage::kWrite
                                                       : StatusPage::kRead;
  if (!ParseLogLevel(flags.log_level, &config->log_level))
    return Invalid("--log-level " + flags.log_level + " is not known");
  config->log_format = flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  config->slow_operation = std::chrono::milliseconds(flags.slow_operation_ms);
  config->etcd_metrics = flags.metrics_compat == "etcd";
  return OkStatus();
}

// CLI11 lets a config file win over the environment. Here the environment wins: what it sets joins
// the command line, unless the flag stands there already.
std::vector<std::string> WithEnvironment(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::vector<std::string> given = arguments;
  for (const CLI::Option* option : app.get_options()) {
    const char* value =
        option->get_envname().empty() ? nullptr : std::getenv(option->get_envname().c_str());
    if (value == nullptr || *value == '\0') continue;
    const std::string flag = option->get_name();
    const bool stands_there =
        std::any_of(given.begin(), given.end(), [&](const std::string& argument) {
          return argument == flag || argument.rfind(flag + "=", 0) == 0;
        });
    if (!stands_there) arguments.push_back(flag + "=" + value);
  }
  // CLI11 takes the arguments last one first.
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

ParsedConfig ParseConfig(int argc, const char* const* argv, const std::string& host_name) {
  ParsedConfig parsed;
  Flags flags;
  CLI::App app("sisyphusd: one node of a replicated, ordered key-value store", "sisyphusd");
  app.set_version_flag("--version", std::string("sisyphusd ") + kVersion);
  app.set_config("--config", "",
                 "a file of settings, one `name = value` a line, named as the flags are");
  app.get_config_ptr()->envname("SISYPHUS_CONFIG");
  app.allow_config_extras(CLI::config_extras_mode::error);
  AddNodeFlags(&app, &parsed.config, &flags);
  AddObservingFlags(&app, &flags);
  AddTuningFlags(&app, &parsed.config, &flags);
  AddLimitFlags(&app, &parsed.config, &flags);
  AddHistoryFlags(&app, &parsed.config, &flags);
  try {
    app.parse(WithEnvironment(app, argc, argv));
  } catch (const CLI::CallForHelp&) {
    parsed.message = app.help();
    return parsed;
  } catch (const CLI::CallForVersion&) {
    parsed.message = std::string("sisyphusd ") + kVersion + "\n";
    return parsed;
  } catch (const CLI::Error& error) {
    parsed.message = OneLine(error.what()) + " (see --help)";
    parsed.exit_code = 2;
    return parsed;
  }
  if (const Status status = FinishConfig(app, flags, host_name, &parsed.config); !status.ok()) {
    parsed.message = std::string(MessageOf(status)) + " (see --help)";
    parsed.exit_code = 2;
  }
  return parsed;
}

StatusOr<NodeId> IdFromHostName(const std::string& host_name) {
  const std::string name = host_name.substr(0, host_name.find('.'));
  const size_t digits = name.find_last_not_of("0123456789");
  const std::string ordinal = digits == std::string::npos ? name : name.substr(digits + 1);
  const std::optional<uint64_t> number = ParseNumber(ordinal);
  if (!number)
    return Invalid("--id-from-hostname: host name '" + host_name + "' does not end in a number");
  return NodeId(*number + 1);
}

StatusOr<std::vector<raft::Membership::Address>> ParseCluster(const std::string& text) {
  std::map<NodeId, std::string> members;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string member = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = member.find('=');
    const std::optional<uint64_t> id =
        equals == std::string::npos ? std::nullopt : ParseNumber(member.substr(0, equals));
    if (!id || *id == 0) return Invalid("--cluster: '" + member + "' is not ID=HOST:PORT");
    const std::string address = member.substr(equals + 1);
    SIS_RETURN_IF_ERROR(CheckAddress("--cluster", address));
    if (!members.emplace(NodeId(*id), address).second) {
      return Invalid("--cluster: id " + std::to_string(*id) + " stands there twice");
    }
  }
  std::vector<raft::Membership::Address> addresses;
  for (auto& [id, address] : members) addresses.push_back({id, std::move(address)});
  return addresses;
}

Status CheckAddress(const std::string& flag, const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::optional<uint64_t> port =
      colon == std::string::npos ? std::nullopt : ParseNumber(address.substr(colon + 1));
  if (colon == 0 || !port || *port > 65'535)
    return Invalid(flag + " '" + address + "' is not HOST:PORT");
  return OkStatus();
}

}  // namespace sisyphus::server
