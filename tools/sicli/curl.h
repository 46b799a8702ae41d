// A request as a command for curl.
#ifndef SISYPHUS_TOOLS_SICLI_CURL_H_
#define SISYPHUS_TOOLS_SICLI_CURL_H_

#include <string>
#include <string_view>

#include "sisyphus/client.h"

namespace sisyphus::sicli {

// One word for a shell; bytes that are not text as bash's $'\xHH'.
std::string ShellWord(std::string_view bytes);

// The request as one line, without the newline. `body_source`: where curl finds the body ("@FILE"
// or "@-"); empty: it becomes part of the line.
std::string CurlLine(const ClientRequest& request, const std::string& body_source);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CURL_H_
