// Server: one node of the cluster, all rooms wired together, started and stopped in order.
//
// Start, bottom up: data directory (lock, identity), engine, peers' listener, log recovery and
// node, HTTP. Stop, top down: readiness off, leadership handed over, requests in flight finished,
// node, engine. What a crash leaves is each room's own promise. Threads: Start and Shutdown from
// the owner's thread.
#ifndef SISYPHUS_SERVER_SERVER_H_
#define SISYPHUS_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "server/config.h"

namespace sisyphus::server {

class Server {
 public:
  // `on_fatal`: the node cannot go on (a failed sync, damage found, a command that cannot be
  // applied); called on an actor, and must end the process without waiting for it.
  static StatusOr<std::unique_ptr<Server>> Start(const Config& config,
                                                 std::function<void(const Status&)> on_fatal);
  ~Server();

  std::string http_address() const;
  std::string peer_address() const;
  std::string cluster_id() const;

  // Ends within `limit` whatever the cluster does.
  void Shutdown(Duration limit);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_SERVER_H_
