// Transactions as text: a small language for people, and the JSON of the HTTP API.
//
//   # a comment, to the end of the line
//   if absent lock                    if exists KEY
//   if version counter = 3            version, value, create, mod or lease; =, != , < or >
//   if value state != "off duty"
//   then                              may be left out; so may all that stands before it
//     put lock me ttl 30s             ttl TIME or lease ID
//     get counter
//     scan user/ limit 10 reverse     limit N, reverse, keys-only, count-only
//     delete old
//     delete-prefix tmp/
//   else
//     get lock
//
// One thing a line, or several with ";" between them. Words are bare, or 'as they are' between
// single quotes, or between double quotes with \n, \t, \", \\ and \xHH.
#ifndef SISYPHUS_TOOLS_SICLI_TXN_TEXT_H_
#define SISYPHUS_TOOLS_SICLI_TXN_TEXT_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "sisyphus/client.h"
#include "tools/sicli/render.h"

namespace sisyphus::sicli {

// What begins with "{" is JSON. kInvalidArgument says in which line what is wrong.
absl::StatusOr<Transaction> ParseTransaction(std::string_view text);

// As POST /v1/txn answers.
Json TxnResultJson(const TxnResult& result);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TXN_TEXT_H_
