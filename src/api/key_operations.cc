#include "api/key_operations.h"

#include <utility>

#include "api/problem.h"
#include "api/read_terms.h"

namespace sisyphus::api {
namespace {

using ReadAnswer = absl::AnyInvocable<void(Exchange&, kv::GetResult)>;

}  // namespace

void ReadKey(Api& api, Exchange& exchange, kv::GetRequest request, ReadAnswer answer) {
  const kv::ReadTerms terms = request.terms;
  AwaitReadable(api, exchange, terms,
                [&api, request = std::move(request),
                 succeed = std::move(answer)](Exchange& readable) mutable {
                  StatusOr<kv::GetResult> result = api.store().Read(request);
                  if (!result.ok())
                    return RespondReadProblem(api, readable, request.terms, result.status());
                  succeed(readable, *std::move(result));
                });
}

void PutKey(Api& api, Exchange& exchange, kv::PutRequest request,
            absl::AnyInvocable<void(Exchange&, kv::PutResult)> answer) {
  api.store().Put(std::move(request), api.DeadlineOf(exchange),
                  [resumer = exchange.Suspend(),
                   then = std::move(answer)](StatusOr<kv::PutResult> result) mutable {
                    resumer.Resume([put = std::move(result),
                                    succeed = std::move(then)](Exchange& resumed) mutable {
                      if (!put.ok()) return resumed.RespondProblem(ProblemOf(put.status(), true));
                      succeed(resumed, *std::move(put));
                    });
                  });
}

void DeleteKey(Api& api, Exchange& exchange, kv::DeleteRequest request,
               absl::AnyInvocable<void(Exchange&, kv::DeleteResult)> answer) {
  api.store().Delete(std::move(request), api.DeadlineOf(exchange),
                     [resumer = exchange.Suspend(),
                      then = std::move(answer)](StatusOr<kv::DeleteResult> result) mutable {
                       resumer.Resume([deleted = std::move(result),
                                       succeed = std::move(then)](Exchange& resumed) mutable {
                         if (!deleted.ok())
                           return resumed.RespondProblem(ProblemOf(deleted.status(), true));
                         succeed(resumed, *std::move(deleted));
                       });
                     });
}

bool CheckKeySize(Api& api, Exchange& exchange, std::string_view key) {
  const size_t limit = api.options().limits.max_key_bytes;
  if (!key.empty() && key.size() <= limit) return true;
  exchange.RespondProblem(
      key.empty() ? MakeProblem(400, "the key is empty")
                  : MakeProblem(414, "the key is longer than " + std::to_string(limit) + " bytes"));
  return false;
}

}  // namespace sisyphus::api
