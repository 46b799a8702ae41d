// Counts how often it was started: example_client 127.0.0.1:8001 [ADDRESS...]
#include <iostream>

#include "sisyphus/client.h"

int main(int argc, char** argv) {
  sisyphus::ClientOptions options;
  options.endpoints.assign(argv + 1, argv + argc);  // The next one is asked when one is down.
  options.safe_retries = true;                      // A write whose answer is lost is repeated.
  auto client = sisyphus::Client::Create(options);
  if (!client.ok()) return std::cerr << client.status() << "\n", 2;

  while (true) {
    // Read, then write on the condition that nobody else wrote meanwhile.
    const auto before = (*client)->Get("starts");
    if (!before.ok() && !absl::IsNotFound(before.status())) {
      return std::cerr << before.status() << "\n", 1;
    }
    const uint64_t count = before.ok() ? std::stoull(before->value) + 1 : 1;
    sisyphus::PutOptions condition;
    if (before.ok()) condition.if_revision = before->revision;
    condition.if_absent = !before.ok();
    const auto written = (*client)->Put("starts", std::to_string(count), condition);
    if (absl::IsFailedPrecondition(written.status())) continue;  // Somebody did: once more.
    if (!written.ok()) return std::cerr << written.status() << "\n", 1;
    std::cout << "start " << count << ", revision " << written->revision << "\n";
    return 0;
  }
}
