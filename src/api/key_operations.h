// Reading and writing one key for an exchange: deadlines, waiting, errors. What a success looks
// like is the caller's.
#ifndef SISYPHUS_API_KEY_OPERATIONS_H_
#define SISYPHUS_API_KEY_OPERATIONS_H_

#include <string_view>

#include "absl/functional/any_invocable.h"
#include "api/api.h"
#include "kv/store.h"

namespace sisyphus::api {

// Each calls `answer` once, on the io thread, or answers an error itself. Requires: an exchange
// that is neither answered nor suspended.
void ReadKey(Api& api, Exchange& exchange, kv::GetRequest request,
             absl::AnyInvocable<void(Exchange&, kv::GetResult)> answer);
void PutKey(Api& api, Exchange& exchange, kv::PutRequest request,
            absl::AnyInvocable<void(Exchange&, kv::PutResult)> answer);
void DeleteKey(Api& api, Exchange& exchange, kv::DeleteRequest request,
               absl::AnyInvocable<void(Exchange&, kv::DeleteResult)> answer);

// False if `key` (decoded) is empty or too long: then has answered.
bool CheckKeySize(Api& api, Exchange& exchange, std::string_view key);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_KEY_OPERATIONS_H_
