#include "tests/chaos/load.h"

#include "base/status.h"

namespace sisyphus::chaos {

Load::Load(const std::string& prefix, std::vector<std::unique_ptr<Client>> clients)
    : clients_(std::move(clients)) {
  for (size_t i = 0; i < clients_.size(); ++i) {
    threads_.emplace_back(
        [this, name = prefix + "/" + std::to_string(i) + "/", i] { Write(name, *clients_[i]); });
  }
}

Load::~Load() { Finish(); }

void Load::Write(const std::string& prefix, Client& client) {
  for (int n = 0; !stopping_; ++n) {
    const std::string key = prefix + std::to_string(n);
    const std::string value = "value of " + key;
    const Status status = client.Put(key, value).status();
    MutexLock lock(mu_);
    switch (status.code()) {
      case StatusCode::kOk:
        result_.acknowledged.emplace(key, value);
        progress_.SignalAll();
        break;
      case StatusCode::kDeadlineExceeded:
        result_.unknown.emplace(key, value);
        result_.why_unknown = key + ": " + std::string(MessageOf(status));
        break;
      case StatusCode::kUnavailable:
        ++result_.refused;
        break;
      default:
        result_.unexpected.Update(status);
        return;
    }
  }
}

bool Load::WaitForMore(size_t count, Duration timeout) {
  const MonotonicTime deadline = Now() + timeout;
  MutexLock lock(mu_);
  const size_t target = result_.acknowledged.size() + count;
  while (result_.acknowledged.size() < target) {
    if (Now() >= deadline || !result_.unexpected.ok()) return false;
    progress_.WaitUntil(mu_, deadline);
  }
  return true;
}

LoadResult Load::Finish() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  MutexLock lock(mu_);
  return result_;
}

absl::Status CheckAll(Client& client, const std::map<std::string, std::string>& expected,
                      ReadConsistency consistency) {
  for (const auto& [key, value] : expected) {
    const auto result = client.Get(key, consistency);
    if (!result.ok()) return WithContext(result.status(), key);
    if (result->value != value) {
      return MakeStatus(StatusCode::kDataLoss, key + " is \"" + result->value + "\"");
    }
  }
  return OkStatus();
}

}  // namespace sisyphus::chaos
