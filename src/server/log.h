// EventLog: one line an event, for people (`event=role role=leader term=3`) or for machines (the
// same fields as one JSON object). Field names are part of the contract: docs/operations.md lists
// the events.
//
// An event that comes again and again is told kBurst times in kWindow; the next line of that event
// after the window says how many were left out (`suppressed`). Critical ones always come through.
// Never a key's or a value's bytes. Threads: all, but SetUp before the first event.
#ifndef SISYPHUS_SERVER_LOG_H_
#define SISYPHUS_SERVER_LOG_H_

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace sisyphus::server {

enum class LogFormat : uint8_t { kText, kJson };
enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kCritical };

std::string_view LogLevelName(LogLevel level);
bool ParseLogLevel(std::string_view text, LogLevel* level);

// Shapes: text, a number without quotes, true or false.
class LogField {
 public:
  LogField(std::string_view name, std::string_view text) : name_(name), value_(text) {}
  LogField(std::string_view name, const char* text) : name_(name), value_(text) {}
  LogField(std::string_view name, const std::string& text) : name_(name), value_(text) {}
  LogField(std::string_view name, std::integral auto number)
      : name_(name), value_(std::to_string(number)), plain_(true) {}
  LogField(std::string_view name, bool value)
      : name_(name), value_(value ? "true" : "false"), plain_(true) {}

  std::string_view name() const { return name_; }
  const std::string& value() const { return value_; }
  bool plain() const { return plain_; }

 private:
  std::string_view name_;
  std::string value_;
  bool plain_ = false;
};

class EventLog {
 public:
  static constexpr int kBurst = 20;
  static constexpr Duration kWindow = std::chrono::seconds(10);

  struct LogOptions {
    LogFormat format = LogFormat::kText;
    LogLevel level = LogLevel::kInfo;
    Clock* clock = nullptr;
    // Takes a line without its time and level, which are given with it.
    std::function<void(LogLevel, const std::string&)> write;
  };
  explicit EventLog(LogOptions options) : options_(std::move(options)), level_(options_.level) {}

  void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);
  bool Logs(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_ = level; }
  LogLevel level() const { return level_; }
  uint64_t suppressed() const { return suppressed_; }

 private:
  struct Window {
    MonotonicTime begin;
    int lines = 0;
    uint64_t left_out = 0;
  };
  // False: not this line. Otherwise how many were left out before it.
  bool Admit(std::string_view event, uint64_t* left_out);

  const LogOptions options_;
  std::atomic<LogLevel> level_;
  std::atomic<uint64_t> suppressed_{0};
  Mutex mu_;
  std::map<std::string, Window, std::less<>> windows_ SIS_GUARDED_BY(mu_);
};

// The process's own log, on standard error. Before SetUpLog: text, from info on.
void SetUpLog(LogFormat format, LogLevel level);
EventLog& ProcessLog();

inline void LogEvent(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields = {}) {
  ProcessLog().Log(level, event, fields);
}

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_LOG_H_
