// What the commands that put load on a cluster read from their flags.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_TEST_FLAGS_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_TEST_FLAGS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tools/sicli/load/http_channel.h"

namespace sisyphus::sicli {

// "250us", "10ms", "1.5s", "2m" or "1h". Empty: none of these, not above zero, or above a day.
std::optional<Duration> ParseDuration(std::string_view text);

// The same for a flag. kInvalidArgument names it.
StatusOr<Duration> DurationFlag(const std::string& flag, std::string_view text);

// kInvalidArgument: one of them makes no sense.
StatusOr<std::vector<HttpServer>> ResolveServers(const std::vector<std::string>& addresses);

// OK if a file can be written there: to be known before a long run, not after it. Creates it.
// kInvalidArgument names the flag.
Status CheckWritable(const std::string& flag, const std::string& path);

// A prefix for keys that no other run has, and nobody's own keys: "NAME-0123456789abcdef/".
std::string FreshPrefix(const std::string& name);

// One line on standard error, unless the keys of that prefix could be deleted.
void SayWhatIsLeft(const std::string& key_prefix, const Status& deleted);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_TEST_FLAGS_H_
