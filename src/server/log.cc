#include "server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>
#include <utility>

#include "base/thread_executor.h"

namespace sisyphus::server {

namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"trace",   "debug", "info",
                                                         "warning", "error", "critical"};

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level);
}
static_assert(static_cast<int>(LogLevel::kTrace) == SPDLOG_LEVEL_TRACE);
static_assert(static_cast<int>(LogLevel::kCritical) == SPDLOG_LEVEL_CRITICAL);

// Of JSON (RFC 8259), which serves for the text as well. Bytes that are not ASCII stay as they are.
void AppendQuoted(std::string* out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte < 0x20) {
      out->append("\\u00");
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

bool NeedsQuotes(std::string_view text) {
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && std::string_view("-_./:{},+").find(c) == std::string_view::npos) return true;
  }
  return text.empty();
}

void AppendField(LogFormat format, const LogField& field, std::string* line) {
  if (!line->empty()) line->push_back(format == LogFormat::kJson ? ',' : ' ');
  if (format == LogFormat::kJson) {
    AppendQuoted(line, field.name());
    line->push_back(':');
  } else {
    line->append(field.name()).push_back('=');
  }
  const bool quotes = !field.plain() && (format == LogFormat::kJson || NeedsQuotes(field.value()));
  if (quotes) {
    AppendQuoted(line, field.value());
  } else {
    line->append(field.value());
  }
}

std::shared_ptr<spdlog::logger> NewLogger(LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("sisyphusd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(format == LogFormat::kJson
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                          : "%Y-%m-%dT%H:%M:%S.%fZ %l %v",
                      spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::trace);  // EventLog decides.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

std::unique_ptr<EventLog> NewProcessLog(LogFormat format, LogLevel level) {
  return std::make_unique<EventLog>(EventLog::LogOptions{
      .format = format,
      .level = level,
      .clock = &RealClock(),
      .write = [logger = NewLogger(format)](LogLevel at, const std::string& line) {
        logger->log(SpdlogLevel(at), spdlog::string_view_t(line));
      }});
}

std::unique_ptr<EventLog>& TheProcessLog() {
  static std::unique_ptr<EventLog> log = NewProcessLog(LogFormat::kText, LogLevel::kInfo);
  return log;
}

}  // namespace

std::string_view LogLevelName(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

bool ParseLogLevel(std::string_view text, LogLevel* level) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] != text) continue;
    *level = static_cast<LogLevel>(i);
    return true;
  }
  return false;
}

bool EventLog::Admit(std::string_view event, uint64_t* left_out) {
  const MonotonicTime now = options_.clock->Now();
  MutexLock lock(mu_);
  auto it = windows_.find(event);
  if (it == windows_.end()) it = windows_.emplace(std::string(event), Window{now, 0, 0}).first;
  Window& window = it->second;
  if (now - window.begin >= kWindow) {
    window.begin = now;
    window.lines = 0;
  }
  if (window.lines >= kBurst) {
    ++window.left_out;
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  ++window.lines;
  *left_out = std::exchange(window.left_out, 0);
  return true;
}

void EventLog::Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!Logs(level)) return;
  uint64_t left_out = 0;
  if (level != LogLevel::kCritical && !Admit(event, &left_out)) return;
  std::string line;
  AppendField(options_.format, {"event", event}, &line);
  for (const LogField& field : fields) AppendField(options_.format, field, &line);
  if (left_out > 0) AppendField(options_.format, {"suppressed", left_out}, &line);
  options_.write(level, line);
}

void SetUpLog(LogFormat format, LogLevel level) { TheProcessLog() = NewProcessLog(format, level); }

EventLog& ProcessLog() { return *TheProcessLog(); }

}  // namespace sisyphus::server
