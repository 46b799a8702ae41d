// Execute: what a command does to the state, and answers. The only place where that is decided.
#ifndef SISYPHUS_KV_EXECUTE_H_
#define SISYPHUS_KV_EXECUTE_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "kv/draft.h"

namespace sisyphus::kv {

// Applies the command of an entry of `term` to a fresh draft, which is complete then; answers the
// result's bytes. The state alone decides. kDataLoss: malformed, of a newer version, or the state
// is damaged.
StatusOr<std::string> Execute(std::string_view command, Term term, Draft* draft);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_EXECUTE_H_
