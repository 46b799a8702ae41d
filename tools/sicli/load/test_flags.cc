#include "tools/sicli/load/test_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "base/entropy.h"

namespace sisyphus::sicli {
namespace {

struct Unit {
  std::string_view name;
  double seconds;
};
// Longer names first: "ms" also ends in "s".
constexpr std::array<Unit, 5> kUnits = {
    {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
constexpr double kMostSeconds = 24 * 3600;

}  // namespace

std::optional<Duration> ParseDuration(std::string_view text) {
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    text.remove_suffix(unit.name.size());
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    const double seconds = number * unit.seconds;
    if (!(seconds >= 1e-6) || seconds > kMostSeconds) return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }
  return std::nullopt;
}

StatusOr<Duration> DurationFlag(const std::string& flag, std::string_view text) {
  const std::optional<Duration> duration = ParseDuration(text);
  if (duration) return *duration;
  return MakeStatus(StatusCode::kInvalidArgument,
                    flag + " \"" + std::string(text) +
                        "\": expected a time like 250us, 10ms, 1.5s, 2m or 1h, at most a day");
}

StatusOr<std::vector<HttpServer>> ResolveServers(const std::vector<std::string>& addresses) {
  std::vector<HttpServer> servers;
  for (const std::string& address : addresses) {
    SIS_ASSIGN_OR_RETURN(HttpServer server, ResolveServer(address));
    servers.push_back(std::move(server));
  }
  return servers;
}

Status CheckWritable(const std::string& flag, const std::string& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      flag + " " + std::string(MessageOf(ErrnoStatus(errno, path))));
  }
  close(descriptor);  // Nothing was written: it has nothing to say.
  return OkStatus();
}

std::string FreshPrefix(const std::string& name) {
  char text[32];
  std::snprintf(text, sizeof(text), "-%016llx/", static_cast<unsigned long long>(OsEntropy()));
  return name + text;
}

void SayWhatIsLeft(const std::string& key_prefix, const Status& deleted) {
  if (deleted.ok()) return;
  std::fprintf(stderr, "sicli: the keys with the prefix %s are still there: %s\n",
               key_prefix.c_str(), std::string(MessageOf(deleted)).c_str());
}

}  // namespace sisyphus::sicli
