// Cluster: real sisyphusd processes on loopback, each with a data directory that outlives it.
//
// Threads: the test's main thread; clients may be used on any (one each).
#ifndef SISYPHUS_TESTS_CHAOS_CLUSTER_H_
#define SISYPHUS_TESTS_CHAOS_CLUSTER_H_

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sisyphus/client.h"
#include "tests/chaos/port.h"
#include "tests/chaos/process.h"

namespace sisyphus::chaos {

// What the slowest machine may need until a cluster has a leader.
inline constexpr Duration kPatience = std::chrono::seconds(60);

class Cluster {
 public:
  explicit Cluster(int size = 3);
  ~Cluster();  // Kills what runs; shows the ends of the logs if the test has failed.

  // For every node that is started from now on.
  void AddFlags(const std::vector<std::string>& flags);
  // A node that is no founder: Start starts it with --join. `contacts` are whom it is told of;
  // empty `cluster_id`: they are the founders.
  void AddJoining(uint64_t id, const std::vector<uint64_t>& contacts,
                  const std::string& cluster_id = "");

  std::vector<uint64_t> ids() const;  // Of members or not.
  std::vector<uint64_t> Others(uint64_t id) const;
  std::string http_address(uint64_t id) const;
  std::string peer_address(uint64_t id) const;
  int http_port(uint64_t id) const;
  std::string data_dir(uint64_t id) const;
  std::vector<std::string> argv(uint64_t id) const;  // How Start starts it.

  void Start(uint64_t id);
  void StartAll();
  Process& process(uint64_t id);
  // As a crash would, and waits until it is dead.
  void Kill(uint64_t id);
  // Sends SIGKILL to all before it waits for any.
  void KillAll();
  // Stops or continues the whole process, like a long pause of the machine.
  void Freeze(uint64_t id);
  void Thaw(uint64_t id);

  // A client of these nodes, in this order.
  std::unique_ptr<Client> MakeClient(
      const std::vector<uint64_t>& ids,
      std::chrono::milliseconds timeout = std::chrono::seconds(30)) const;

  // Waits until each of `ids` says that it serves. False: it did not, or died.
  [[nodiscard]] bool WaitReady(const std::vector<uint64_t>& ids);
  // Waits until all of `ids` name the same leader among them, and it agrees. 0: they did not.
  uint64_t WaitLeader(const std::vector<uint64_t>& ids);

 private:
  struct Node {
    ReservedPort http;
    ReservedPort peer;
    std::unique_ptr<Process> process;
    std::vector<std::string> membership_flags;
  };

  ScratchDirectory scratch_;
  std::map<uint64_t, Node> nodes_;
  std::string AddressesOf(const std::vector<uint64_t>& ids) const;  // For --cluster.
  std::vector<std::string> flags_;
};

// Writes until the write is acknowledged, also again where the outcome is unknown: for a value that
// never changes that is safe.
absl::Status PutForSure(Client& client, const std::string& key, const std::string& value);

}  // namespace sisyphus::chaos

#define ASSERT_OK(expression)                               \
  do {                                                      \
    const absl::Status assert_ok_status = (expression);     \
    ASSERT_TRUE(assert_ok_status.ok()) << assert_ok_status; \
  } while (false)

#endif  // SISYPHUS_TESTS_CHAOS_CLUSTER_H_
