#include "api/key_operations.h"

#include <utility>

#include "api/problem.h"

namespace sisyphus::api {
namespace {

using ReadAnswer = absl::AnyInvocable<void(Exchange&, kv::GetResult)>;

struct PendingRead {
  kv::GetRequest request;
  ReadAnswer answer;
};

void AnswerRead(Exchange& exchange, StatusOr<kv::GetResult> result, ReadAnswer& answer) {
  if (!result.ok()) return exchange.RespondProblem(ProblemOf(result.status(), false));
  answer(exchange, *std::move(result));
}

void ReadAfterWait(Api& api, Exchange& exchange, std::unique_ptr<PendingRead> read) {
  api.store().WaitReadable(
      kv::Consistency::kLinearizable, api.DeadlineOf(exchange),
      [&api, resumer = exchange.Suspend(), pending = std::move(read)](Status status) mutable {
        resumer.Resume([&api, status = std::move(status),
                        waited = std::move(pending)](Exchange& resumed) mutable {
          if (!status.ok()) return resumed.RespondProblem(ProblemOf(status, false));
          AnswerRead(resumed, api.store().Read(waited->request), waited->answer);
        });
      });
}

}  // namespace

void ReadKey(Api& api, Exchange& exchange, kv::GetRequest request, ReadAnswer answer) {
  if (request.consistency != kv::Consistency::kLinearizable) {
    StatusOr<kv::GetResult> result = api.store().Read(request);
    const bool no_lease = request.consistency == kv::Consistency::kLease &&
                          result.status().code() == StatusCode::kUnavailable;
    if (!no_lease) return AnswerRead(exchange, std::move(result), answer);
    request.consistency = kv::Consistency::kLinearizable;
  }
  ReadAfterWait(api, exchange,
                std::make_unique<PendingRead>(PendingRead{std::move(request), std::move(answer)}));
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
