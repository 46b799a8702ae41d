// A transaction in the JSON of POST /v1/txn.
#ifndef SISYPHUS_TOOLS_SICLI_TXN_JSON_H_
#define SISYPHUS_TOOLS_SICLI_TXN_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "sisyphus/client.h"

namespace sisyphus::sicli {

// kInvalidArgument: no such JSON, or something in it that is not understood (nothing is ignored).
absl::StatusOr<Transaction> ParseTransactionJson(std::string_view text);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TXN_JSON_H_
