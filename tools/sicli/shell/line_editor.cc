#include "tools/sicli/shell/line_editor.h"

#include <histedit.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/status.h"
#include "tools/sicli/output.h"
#include "tools/sicli/render.h"
#include "tools/sicli/shell/history_file.h"

namespace sisyphus::sicli {
namespace {

constexpr size_t kMostListed = 40;
constexpr size_t kWidestWord = 24;  // Its help stands behind it.

size_t CharactersIn(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// What all begin with, in whole characters.
std::string CommonBeginning(const std::vector<Candidate>& candidates) {
  std::string common = candidates.front().word;
  for (const Candidate& each : candidates) {
    const auto [end, other] =
        std::mismatch(common.begin(), common.end(), each.word.begin(), each.word.end());
    common.erase(end, common.end());
    while (!each.word.starts_with(common)) common.pop_back();
  }
  while (!common.empty() && CharactersIn(candidates.front().word.substr(common.size(), 1)) == 0 &&
         common.size() < candidates.front().word.size()) {
    common.pop_back();
  }
  return common;
}

class EditLineEditor final : public LineEditor {
 public:
  explicit EditLineEditor(Completer complete) : complete_(std::move(complete)) {}
  ~EditLineEditor() override {
    if (editor_ != nullptr) el_end(editor_);
    if (history_ != nullptr) history_end(history_);
  }

  Status Begin() {
    editor_ = el_init("sicli", stdin, stdout, stderr);
    history_ = history_init();
    if (editor_ == nullptr || history_ == nullptr) {
      return MakeStatus(StatusCode::kInternal, "the terminal cannot be edited on");
    }
    HistEvent event;
    history(history_, &event, H_SETSIZE, static_cast<int>(kMaxHistoryLines));
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 1);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_PROMPT_ESC, &Prompt, '\1');
    el_set(editor_, EL_ADDFN, "sicli-complete", "Complete the word", &CompleteWord);
    el_set(editor_, EL_ADDFN, "sicli-give-up", "Give the line up", &GiveUp);
    el_set(editor_, EL_ADDFN, "sicli-stop", "Stop until the job goes on", &Stop);
    el_set(editor_, EL_BIND, "^I", "sicli-complete", nullptr);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(editor_, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
    el_set(editor_, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
    // While a line is edited Ctrl-C and Ctrl-Z are keys, no signals.
    el_set(editor_, EL_SETTY, "-d", "-isig", nullptr);
    el_set(editor_, EL_BIND, "^C", "sicli-give-up", nullptr);
    el_set(editor_, EL_BIND, "^Z", "sicli-stop", nullptr);
    el_source(editor_, nullptr);
    return OkStatus();
  }

  Outcome Read(const std::string& prompt, std::string* line) override {
    prompt_ = prompt;
    given_up_ = false;
    int count = 0;
    el_set(editor_, EL_PREP_TERM, 1);  // Before the prompt is seen, and answered.
    const char* text = el_gets(editor_, &count);
    if (given_up_) return Outcome::kGivenUp;
    if (text == nullptr || count <= 0) return Outcome::kEnd;
    *line = text;
    while (line->ends_with('\n')) line->pop_back();
    return Outcome::kLine;
  }

  void Remember(const std::string& line) override {
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
  }

 private:
  static EditLineEditor* Self(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return static_cast<EditLineEditor*>(self);
  }
  static char* Prompt(EditLine* editor) { return Self(editor)->prompt_.data(); }

  static unsigned char GiveUp(EditLine* editor, int /*key*/) {
    Self(editor)->given_up_ = true;
    std::fputs("^C\n", stdout);
    return CC_EOF;
  }

  // libedit's handler gives the terminal back before this process stops, and takes it afterwards.
  static unsigned char Stop(EditLine* /*editor*/, int /*key*/) {
    kill(0, SIGTSTP);
    return CC_REDISPLAY;
  }

  static unsigned char CompleteWord(EditLine* editor, int /*key*/) {
    const LineInfo* info = el_line(editor);
    const std::string line(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
    const Completions found = Self(editor)->complete_(line);
    if (found.candidates.empty()) return CC_ERROR;
    const std::string typed = line.substr(found.begin);
    std::string text = CommonBeginning(found.candidates);
    const bool only = found.candidates.size() == 1;
    if (only) text += " ";
    if (!only && text.size() <= typed.size()) {
      List(found.candidates);
      return CC_REDISPLAY;
    }
    if (!typed.empty()) el_deletestr(editor, static_cast<int>(CharactersIn(typed)));
    return el_insertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static void List(const std::vector<Candidate>& candidates) {
    winsize size{};
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    const size_t width = known ? size.ws_col : 80;
    size_t widest = 0;
    for (const Candidate& each : candidates) widest = std::max(widest, DisplayWidth(each.word));
    widest = std::min(widest, kWidestWord);
    std::string text = "\n";
    for (size_t i = 0; i < candidates.size() && i < kMostListed; ++i) {
      const Candidate& each = candidates[i];
      std::string row = each.word;
      if (!each.help.empty()) {
        const size_t used = DisplayWidth(row);
        row.append(used < widest ? widest - used : 0, ' ');
        row += "  " + each.help;
      }
      text += Clipped(row, width) + "\n";
    }
    if (candidates.size() > kMostListed) {
      text += "and " + std::to_string(candidates.size() - kMostListed) + " more\n";
    }
    std::fflush(stdout);
    const Status written = WriteOut(text);
    static_cast<void>(written);  // A terminal that is gone: the next read finds it out.
  }

  const Completer complete_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
  bool given_up_ = false;
};

}  // namespace

StatusOr<std::unique_ptr<LineEditor>> LineEditor::Create(Completer complete) {
  auto editor = std::make_unique<EditLineEditor>(std::move(complete));
  SIS_RETURN_IF_ERROR(editor->Begin());
  return std::unique_ptr<LineEditor>(std::move(editor));
}

}  // namespace sisyphus::sicli
