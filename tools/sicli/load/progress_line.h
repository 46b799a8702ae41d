// ProgressLine: how far something is, on standard error. On a terminal one line is written over and
// over; elsewhere each report is a line.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_PROGRESS_LINE_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_PROGRESS_LINE_H_

#include <string>

namespace sisyphus::sicli {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // Clears the line.
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const std::string& text);
  void Clear();

 private:
  const bool terminal_;
  bool shown_ = false;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_PROGRESS_LINE_H_
