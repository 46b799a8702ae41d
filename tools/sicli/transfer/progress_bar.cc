#include "tools/sicli/transfer/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/thread_executor.h"

namespace sisyphus::sicli {
namespace {

constexpr Duration kRedraw = std::chrono::milliseconds(100);
constexpr size_t kCells = 20;

std::string Bar(double share) {
  const auto full = static_cast<size_t>(share * kCells);
  std::string cells(full, '=');
  if (full < kCells) cells += '>';
  cells.resize(kCells, ' ');
  return "[" + cells + "]";
}

std::string Size(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

std::string Time(double seconds) {
  const auto whole = static_cast<uint64_t>(std::clamp(seconds, 0.0, 1e9));
  char text[32];
  std::snprintf(text, sizeof(text), "%llu:%02llu", static_cast<unsigned long long>(whole / 60),
                static_cast<unsigned long long>(whole % 60));
  return text;
}

}  // namespace

std::string ProgressText(const Progress& progress, const Progress& before, Duration elapsed) {
  const double seconds = std::max(std::chrono::duration<double>(elapsed).count(), 1e-3);
  std::string text;
  double share = 0;
  if (progress.total > 0) {
    share = std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
    char percent[16];
    std::snprintf(percent, sizeof(percent), " %3d %%  ", static_cast<int>(share * 100));
    text = Bar(share) + percent;
  }
  text += std::to_string(progress.keys) + " keys  " + Size(static_cast<double>(progress.bytes));
  text += "  " + Size(static_cast<double>(progress.bytes - before.bytes) / seconds) + "/s";
  const auto now = static_cast<double>(progress.done - before.done);
  if (progress.total > 0 && now > 0 && share < 1) {
    const auto left = static_cast<double>(progress.total - progress.done);
    text += "  " + Time(seconds / now * left) + " left";
  }
  return text;
}

ProgressBar::ProgressBar(const Progress& before)
    : hidden_(Hidden()), before_(before), begun_(RealClock().Now()), next_(begun_ + kRedraw) {}

bool ProgressBar::Hidden() { return isatty(STDERR_FILENO) != 1; }

void ProgressBar::Show(const Progress& progress) {
  if (hidden_) return;
  const MonotonicTime now = RealClock().Now();
  if (now < next_) return;
  next_ = now + kRedraw;
  line_.Show(ProgressText(progress, before_, now - begun_));
}

}  // namespace sisyphus::sicli
