#include "server/server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "api/server.h"
#include "base/checksum.h"
#include "base/entropy.h"
#include "base/mutex.h"
#include "base/posix_file_system.h"
#include "base/thread_executor.h"
#include "kv/history_keeper.h"
#include "kv/machine.h"
#include "kv/store.h"
#include "node/node.h"
#include "node/snapshot_files.h"
#include "server/data_directory.h"
#include "server/event_lines.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/version.h"
#include "transport/grpc_transport.h"

namespace sisyphus::server {

namespace {

std::string Hex(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[static_cast<size_t>(i)] = kDigits[value & 15];
  return text;
}

// The same for every founding member, whatever the order of its flag.
std::optional<std::string> ClusterId(const Config& config) {
  if (!config.cluster_id.empty()) return config.cluster_id;
  if (config.cluster.empty()) return std::nullopt;
  std::string text;
  for (const auto& member : config.cluster) text += ToString(member.id) + "=" + member.peer + ",";
  return Hex(Checksum(text));
}

raft::Membership FoundingMembership(const Config& config, const std::string& peer_address) {
  raft::Membership membership;
  membership.addresses = config.cluster;
  if (membership.addresses.empty()) membership.addresses.push_back({config.id, peer_address});
  for (const auto& member : membership.addresses) membership.voters.push_back(member.id);
  return membership;
}

}  // namespace

class Server::Impl {
 public:
  Impl(const Config& config, std::function<void(const Status&)> on_fatal)
      : config_(config), on_fatal_(std::move(on_fatal)) {}

  Status Start();
  void Shutdown(Duration limit);

  std::string http_address() const { return api_->bound_address(); }
  std::string advertised_http() const {
    return config_.advertise_http.empty() ? api_->bound_address() : config_.advertise_http;
  }
  std::string peer_address() const { return transport_->address(); }
  std::string cluster_id() const { return directory_->cluster_id(); }

 private:
  Status OpenEngine();
  Status OpenTransport();
  Status StartNode();
  Status BindApi();
  void HandOverLeadership(Duration limit);

  const Config config_;
  const std::function<void(const Status&)> on_fatal_;
  ThreadExecutor executor_;

  // In the order of their making; destroyed the other way round.
  std::optional<DataDirectory> directory_;
  std::optional<raft::SnapshotMeta> installed_;  // By a swap that a crash interrupted.
  std::unique_ptr<kv::Machine> machine_;
  std::unique_ptr<kv::HistoryKeeper> history_;
  std::unique_ptr<transport::GrpcTransport> transport_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<kv::Store> store_;
  std::unique_ptr<api::Server> api_;
};

Status Server::Impl::Start() {
  SIS_ASSIGN_OR_RETURN(DataDirectory directory,
                       DataDirectory::Open(PosixFileSystem(), config_.data_dir, config_.id,
                                           ClusterId(config_), Hex(OsEntropy())));
  directory_.emplace(std::move(directory));
  SIS_ASSIGN_OR_RETURN(
      installed_,
      node::RecoverIncoming(PosixFileSystem(), directory_->incoming_path(), directory_->db_path()));
  SIS_RETURN_IF_ERROR(BindApi());  // First of all that may fail late: its port goes to the peers.
  SIS_RETURN_IF_ERROR(OpenEngine());
  SIS_RETURN_IF_ERROR(OpenTransport());
  SIS_RETURN_IF_ERROR(StartNode());
  api_->Serve(store_.get(), node_.get());
  return OkStatus();
}

Status Server::Impl::OpenEngine() {
  kv::Machine::MachineOptions options;
  options.directory = directory_->db_path();
  options.engine.memtable_bytes = config_.memtable_bytes;
  options.engine.block_cache_bytes = config_.block_cache_bytes;
  options.engine.file_system = &PosixFileSystem();
  options.engine.executor = &executor_;
  options.watches.max_watches = config_.max_watches;
  options.on_fatal = on_fatal_;
  SIS_ASSIGN_OR_RETURN(machine_, kv::Machine::Open(std::move(options)));
  history_ = std::make_unique<kv::HistoryKeeper>(
      kv::HistoryOptions{.max_revisions = config_.history_revisions}, machine_.get(), &RealClock());
  return OkStatus();
}

Status Server::Impl::OpenTransport() {
  transport::GrpcTransportOptions options;
  options.id = config_.id;
  options.cluster_id = directory_->cluster_id();
  options.listen_address = config_.peer_address;
  options.http_address = advertised_http();
  options.version = kVersion;
  options.executor = &executor_;
  options.seed = OsEntropy();
  options.on_connection_error = [](NodeId peer, const Status& status) {
    LogEvent(LogLevel::kWarning, "peer_unreachable",
             {{"peer", peer.value()}, {"reason", MessageOf(status)}});
  };
  SIS_ASSIGN_OR_RETURN(transport_, transport::GrpcTransport::Listen(std::move(options)));
  return OkStatus();
}

Status Server::Impl::StartNode() {
  node::NodeOptions options;
  options.id = config_.id;
  options.log_directory = directory_->log_path();
  options.incoming_directory = directory_->incoming_path();
  options.snapshot_directory = directory_->snapshot_path();
  options.state_directory = directory_->db_path();
  options.installed_snapshot = installed_;
  options.log_keep_bytes = config_.log_keep_bytes;
  options.min_free_bytes = config_.min_free_bytes;
  options.log_max_bytes = config_.log_max_bytes;
  options.snapshot_bytes_per_second = config_.snapshot_bytes_per_second;
  if (config_.join) {
    options.contacts = config_.cluster;
  } else {
    options.initial_membership = FoundingMembership(config_, transport_->address());
  }
  options.seed = OsEntropy();
  // Two ticks a heartbeat: fine enough for the timeouts, and few enough wake-ups.
  options.heartbeat_ticks = 2;
  options.tick = config_.heartbeat_interval / options.heartbeat_ticks;
  options.election_ticks = static_cast<uint32_t>(config_.election_timeout / options.tick);
  options.log_segment_bytes = config_.log_segment_bytes;
  options.file_system = &PosixFileSystem();
  options.executor = &executor_;
  options.transport = transport_.get();
  options.state_machine = machine_.get();
  options.on_fatal = on_fatal_;
  options.on_change = LogRole;
  options.on_content = LogContent;
  options.slow_threshold = config_.slow_operation;
  options.on_slow = LogSlowForward;
  SIS_ASSIGN_OR_RETURN(node_, node::Node::Start(std::move(options)));
  history_->Attach(node_.get());
  if (const std::string reason = node_->Status().content.distrust; !reason.empty()) {
    LogEvent(LogLevel::kWarning, "content_reseed_goes_on", {{"reason", reason}});
  }
  store_ = std::make_unique<kv::Store>(node_.get(), machine_.get());
  return OkStatus();
}

Status Server::Impl::BindApi() {
  api::ServerOptions options;
  options.address = config_.http_address;
  options.io_threads = config_.io_threads;
  options.serve = {.simple = config_.simple_endpoints,
                   .status_page = config_.status_page != StatusPage::kOff};
  options.status_page_writes = config_.status_page == StatusPage::kWrite;
  options.limits = config_.limits;
  options.clock = &RealClock();
  options.executor = &executor_;
  options.slow_threshold = config_.slow_operation;
  options.on_operation = LogOperation;
  options.log_every_operation = [] { return ProcessLog().Logs(LogLevel::kDebug); };
  options.log_level = [] { return std::string(LogLevelName(ProcessLog().level())); };
  options.set_log_level = [](const std::string& text) {
    LogLevel level = LogLevel::kInfo;
    if (!ParseLogLevel(text, &level)) return false;
    ProcessLog().set_level(level);
    return true;
  };
  options.render_metrics = [this] {
    return RenderMetrics({.id = config_.id,
                          .node = node_.get(),
                          .machine = machine_.get(),
                          .transport = transport_.get(),
                          .api = api_.get(),
                          .data_dir = config_.data_dir,
                          .cluster_id = directory_->cluster_id(),
                          .etcd_names = config_.etcd_metrics});
  };
  options.version = kVersion;
  options.advertised_http = config_.advertise_http;
  options.cluster_id = directory_->cluster_id();
  SIS_ASSIGN_OR_RETURN(api_, api::Server::Bind(std::move(options)));
  return OkStatus();
}

// A planned stop need not cost the cluster an election timeout.
void Server::Impl::HandOverLeadership(Duration limit) {
  if (node_->View().role != raft::Role::kLeader ||
      node_->Status().core.membership.voters.size() < 2)
    return;
  struct Outcome {
    Mutex mu;
    CondVar changed;
    std::optional<Status> status SIS_GUARDED_BY(mu);
  };
  const auto outcome = std::make_shared<Outcome>();
  node_->TransferLeadership(kNoNode, [outcome](const Status& status) {
    MutexLock lock(outcome->mu);
    outcome->status = status;
    outcome->changed.Signal();
  });
  const MonotonicTime deadline = RealClock().Now() + limit;
  MutexLock lock(outcome->mu);
  while (!outcome->status && RealClock().Now() < deadline)
    outcome->changed.WaitUntil(outcome->mu, deadline);
  const Status status =
      outcome->status.value_or(MakeStatus(StatusCode::kDeadlineExceeded, "no answer in time"));
  if (!status.ok())
    LogEvent(LogLevel::kWarning, "hand_over_failed", {{"reason", MessageOf(status)}});
}

void Server::Impl::Shutdown(Duration limit) {
  if (api_) api_->BeginDrain();
  if (node_) HandOverLeadership(limit / 4);
  if (api_) api_->Stop(limit / 2);
  if (node_) node_->Stop();
}

StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config,
                                                std::function<void(const Status&)> on_fatal) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(config, std::move(on_fatal))));
  SIS_RETURN_IF_ERROR(server->impl_->Start());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
std::string Server::http_address() const { return impl_->http_address(); }
std::string Server::peer_address() const { return impl_->peer_address(); }
std::string Server::cluster_id() const { return impl_->cluster_id(); }
void Server::Shutdown(Duration limit) { impl_->Shutdown(limit); }

}  // namespace sisyphus::server
