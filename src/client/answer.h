// What an HTTP answer means: which status it stands for, and whether the request may be repeated.
#ifndef SISYPHUS_CLIENT_ANSWER_H_
#define SISYPHUS_CLIENT_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "client/http.h"
#include "sisyphus/client.h"

namespace sisyphus::client {

enum class Next {
  kDone,      // The status is final.
  kRetry,     // Certainly not applied (or a read): ask again, elsewhere first.
  kRedirect,  // Certainly not applied; HttpResponse::location says where to go.
};

struct Verdict {
  Next next = Next::kDone;
  Status status;  // For kRetry and kRedirect: what to say if time runs out.
};

// `write`: the request changes something, so that a lost answer leaves its outcome unknown.
Verdict Judge(const HttpResponse& response, bool write);

// kUnknown: this is not how SisyphusDB answers.
Status Foreign(const HttpResponse& response, const std::string& what);

// The bodies of good answers. kUnknown: this is not how SisyphusDB answers.
StatusOr<GetResult> ParseGet(HttpResponse response);
StatusOr<PutResult> ParsePut(const HttpResponse& response);
StatusOr<DeleteResult> ParseDelete(const HttpResponse& response);
StatusOr<RangePage> ParseRange(const HttpResponse& response);
// `cursor`: to the next part; empty behind the last one.
Status ParseCount(const HttpResponse& response, CountResult* part, std::string* cursor);
StatusOr<DeleteRangeResult> ParseDeleteRange(const HttpResponse& response);
StatusOr<TxnResult> ParseTxn(const HttpResponse& response, const Transaction& transaction);
StatusOr<Lease> ParseLease(const HttpResponse& response);
StatusOr<LeasePage> ParseLeases(const HttpResponse& response);
StatusOr<CompactResult> ParseCompact(const HttpResponse& response);
// Of GET /readyz?verbose, 200 or 503.
StatusOr<std::vector<ReadyCheck>> ParseReadyChecks(const HttpResponse& response);
// {"id":4,"peer":"HOST:PORT"}
std::string MemberBody(uint64_t id, std::string_view peer_address);
StatusOr<ClusterStatus> ParseCluster(const HttpResponse& response);

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_ANSWER_H_
