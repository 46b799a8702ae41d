#include "api/exchange.h"

#include <utility>

#include "api/completion_queue.h"
#include "base/check.h"

namespace sisyphus::api {

Resumer::Resumer(std::shared_ptr<CompletionQueue> queue, uint32_t slot, uint64_t serial)
    : queue_(std::move(queue)), slot_(slot), serial_(serial) {}

Resumer::~Resumer() {
  if (queue_ == nullptr) return;
  Resume([](Exchange& exchange) {
    Problem problem = MakeProblem(500, "the request was dropped");
    problem.maybe_applied = exchange.method() != Method::kGet;
    exchange.RespondProblem(problem);
  });
}

void Resumer::Resume(Continuation then) {
  SIS_CHECK(queue_ != nullptr, "an exchange is resumed once");
  const std::shared_ptr<CompletionQueue> queue = std::move(queue_);
  queue->Push({slot_, serial_, std::move(then)});
}

void Exchange::RespondProblem(const Problem& problem, std::string_view more_headers) {
  std::string& headers = header_scratch();
  AppendProblemHeaders(&headers, problem);
  headers.append(more_headers);
  std::string& body = body_scratch();
  AppendProblem(&body, problem, Leader());
  Respond(
      {.status = problem.status, .content_type = kProblemType, .headers = headers, .body = body});
}

}  // namespace sisyphus::api
