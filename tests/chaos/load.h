// Load: threads that write, each key once, and remember what was acknowledged.
#ifndef SISYPHUS_TESTS_CHAOS_LOAD_H_
#define SISYPHUS_TESTS_CHAOS_LOAD_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "sisyphus/client.h"
#include "tests/chaos/process.h"

namespace sisyphus::chaos {

struct LoadResult {
  std::map<std::string, std::string> acknowledged;
  std::map<std::string, std::string> unknown;  // There or not, but never with another value.
  std::string why_unknown;                     // Of the last of these.
  int refused = 0;                             // Certainly not applied.
  absl::Status unexpected;                     // Anything else that went wrong, or OK.
};

class Load {
 public:
  // One thread for each client. Keys begin with `prefix`.
  Load(const std::string& prefix, std::vector<std::unique_ptr<Client>> clients);
  ~Load();  // Finishes.

  // Waits for `count` more acknowledged writes than there are now. False: not in time.
  [[nodiscard]] bool WaitForMore(size_t count, Duration timeout);

  // Lets every thread end its write, and hands over what happened.
  LoadResult Finish();

 private:
  void Write(const std::string& prefix, Client& client);

  std::atomic<bool> stopping_{false};
  Mutex mu_;
  CondVar progress_;
  LoadResult result_ SIS_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

// Reads every key of `expected` through `client` and compares. The status names the first key that
// is missing or different.
absl::Status CheckAll(Client& client, const std::map<std::string, std::string>& expected,
                      ReadConsistency consistency = ReadConsistency::kLinearizable);

}  // namespace sisyphus::chaos

#endif  // SISYPHUS_TESTS_CHAOS_LOAD_H_
