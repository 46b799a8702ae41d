// What an HTTP answer means: which status it stands for, and whether the request may be repeated.
#ifndef SISYPHUS_CLIENT_ANSWER_H_
#define SISYPHUS_CLIENT_ANSWER_H_

#include <cstdint>
#include <string>
#include <string_view>

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

// The bodies of good answers. kUnknown: this is not how SisyphusDB answers.
StatusOr<GetResult> ParseGet(HttpResponse response);
StatusOr<PutResult> ParsePut(const HttpResponse& response);
StatusOr<DeleteResult> ParseDelete(const HttpResponse& response);
// {"id":4,"peer":"HOST:PORT"}
std::string MemberBody(uint64_t id, std::string_view peer_address);
StatusOr<ClusterStatus> ParseCluster(const HttpResponse& response);

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_ANSWER_H_
