#include "calve/cli/watch_screen.h"

#include <fmt/format.h>
#include <unistd.h>

#include "calve/cli/log_writer.h"
#include "calve/cli/terminal.h"

namespace calve::cli {
namespace {

void Write(std::string_view bytes) { LogWriter(STDOUT_FILENO).Write(bytes); }

}  // namespace

WatchScreen::WatchScreen(StopToken& stop)
    : listener_(
          stop, [this] { Leave(); },
          [this] {
            hung_up_ = true;
            Leave();
          }) {
  std::lock_guard lock(mutex_);
  if (stop.stopped()) return;
  Write("\x1b[?1049h\x1b[?25l");  // another screen, no cursor
  is_on_ = true;
}

WatchScreen::~WatchScreen() { Leave(); }

void WatchScreen::Leave() {
  std::lock_guard lock(mutex_);
  if (is_on_) Write("\x1b[?25h\x1b[?1049l");
  is_on_ = false;
}

void WatchScreen::Show(const std::vector<std::string>& lines) {
  const size_t rows = SizeOf(STDOUT_FILENO, {80, 24}).rows;
  const size_t shown = lines.size() <= rows ? lines.size() : rows - 1;
  std::string out = "\x1b[H";
  for (size_t i = 0; i < shown; ++i) out += (i > 0 ? "\n" : "") + lines[i] + "\x1b[K";
  if (shown < lines.size()) out += fmt::format("\nand {} more\x1b[K", lines.size() - shown);
  std::lock_guard lock(mutex_);
  if (is_on_) Write(out + "\x1b[J");
}

}  // namespace calve::cli
