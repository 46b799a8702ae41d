// The requests of the chaos driver, and what their answers mean for a history.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REQUESTS_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REQUESTS_H_

#include <string>

#include "tools/sicli/load/http_channel.h"
#include "verify/linearizability.h"

namespace sisyphus::sicli {

struct ChaosRequest {
  std::string head;
  std::string body;
};

struct ChaosRequestTerms {
  std::string consistency;      // Of reads; empty: linearizable.
  std::string idempotency_key;  // Of writes; empty: none.
};

// `operation` as an HTTP request: a compare-and-set is a transaction. Keys and values are ASCII.
ChaosRequest MakeChaosRequest(const verify::RegisterOperation& operation, const HttpServer& server,
                              const ChaosRequestTerms& terms);

enum class Fate {
  kAnswered,  // `read` and `succeeded` of the operation are set.
  kRefused,   // Certainly without effect.
  kUnknown,
};

// What `reply` says of `operation`. `why`: in words, unless it is answered.
Fate JudgeChaosReply(const HttpReply& reply, verify::RegisterOperation* operation,
                     std::string* why);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_REQUESTS_H_
