#include "calve/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <vector>

#include "calve/cli/columns.h"
#include "calve/cli/log_line.h"
#include "calve/cli/log_writer.h"

namespace calve::cli {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(5);  // where no bar can be drawn
constexpr TerminalSize kOrdinary{100, 40};

std::string_view Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool IsDumb() { return Variable("TERM") == "dumb"; }

}  // namespace

bool MayColor(int fd) {
  if (!Variable("NO_COLOR").empty()) return false;
  for (const char* name : {"CLICOLOR_FORCE", "FORCE_COLOR"}) {
    if (!Variable(name).empty() && Variable(name) != "0") return true;
  }
  return isatty(fd) != 0 && !IsDumb();
}

bool MayRedraw(int fd) { return isatty(fd) != 0 && !IsDumb(); }

TerminalSize SizeOf(int fd, TerminalSize otherwise) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return otherwise;
  return {size.ws_col, size.ws_row};
}

struct Terminal::Impl {
  TerminalOptions options;
  EventLevel least = EventLevel::kInfo;
  bool color = false;
  bool bar = false;    // redrawn in place
  bool lines = false;  // one line now and then
  std::mutex mutex;
  struct Bar {
    std::string table;  // empty: the only one
    Progress progress;
    Steady::time_point told{};  // last drawn or written
  };
  // protected by mutex
  LogWriter writer{STDERR_FILENO};
  std::vector<size_t> drawn;  // width of each line that stands there
  std::vector<Bar> bars;      // in the order in which the tables began

  // What takes the lines away that stand there. Where the window was made narrower since, they take more of its rows.
  std::string Erasure() {
    if (drawn.empty()) return "";
    const size_t width = SizeOf(STDERR_FILENO, kOrdinary).columns;
    size_t rows = 0;
    for (const size_t each : drawn) rows += std::max<size_t>(1, (each + width - 1) / width);
    drawn.clear();
    std::string out = "\r\x1b[K";
    for (; rows > 1; --rows) out += "\x1b[A\x1b[K";
    return out;
  }

  void Draw() {
    std::string out = Erasure();
    const TerminalSize size = SizeOf(STDERR_FILENO, kOrdinary);
    const size_t width = std::max<size_t>(2, size.columns) - 1;  // one that wraps could not be taken away again
    const size_t shown = bars.size() < size.rows ? bars.size() : std::max<size_t>(2, size.rows) - 2;
    for (size_t i = 0; i < shown; ++i) AddDrawn(ProgressLine(bars[i].table, bars[i].progress, width), out);
    if (shown < bars.size()) AddDrawn(Fitted(fmt::format("and {} more", bars.size() - shown), width), out);
    writer.Write(out);
  }

  void AddDrawn(const std::string& line, std::string& out) {
    out += (drawn.empty() ? "" : "\n") + line;
    drawn.push_back(DisplayWidth(line));
  }

  std::string LineOf(const Event& event) const {
    const TimestampMicros now = SystemClock().Now();
    if (options.log_format == LogFormat::kJson) return JsonLine(event, now);
    return TextLine(event, now, {options.show_time, options.verbosity == Verbosity::kVerbose, color});
  }

  void Log(const Event& event) {
    if (event.level() < least || options.verbosity == Verbosity::kNone) return;
    std::lock_guard lock(mutex);
    std::string out = Erasure();
    if (const int64_t lost = writer.TakeLost(); lost > 0) {
      Event told(EventKind::kLogLinesLost, fmt::format("{} lines are missing here: nobody read them", lost));
      if (least <= told.level()) out += LineOf(told.Set(EventField::kCount, lost));
    }
    writer.Write(out + LineOf(event));
  }
};

Terminal::Terminal(const TerminalOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->least = options.verbosity == Verbosity::kQuiet     ? EventLevel::kError
                 : options.verbosity == Verbosity::kVerbose ? EventLevel::kDebug
                                                            : EventLevel::kInfo;
  const bool is_text = options.log_format == LogFormat::kText;
  impl_->color = is_text && MayColor(STDERR_FILENO);
  const bool can_redraw = MayRedraw(STDERR_FILENO);
  const bool wanted = options.progress == ProgressMode::kAlways ||
                      (options.progress == ProgressMode::kAuto && can_redraw && options.verbosity > Verbosity::kQuiet);
  impl_->bar = wanted && can_redraw && is_text;
  impl_->lines = wanted && !impl_->bar;
}

Terminal::~Terminal() { EndProgress(); }

void Terminal::Update(const Progress& progress) { UpdateTable("", progress); }

void Terminal::UpdateTable(const std::string& table, const Progress& progress) {
  if (!impl_->bar && !impl_->lines) return;
  const auto now = Steady::now();
  {
    std::lock_guard lock(impl_->mutex);
    auto& bars = impl_->bars;
    auto bar = std::ranges::find(bars, table, &Impl::Bar::table);
    if (bar == bars.end()) bar = bars.insert(bars.end(), Impl::Bar{table, {}, {}});
    const bool new_phase = progress.phase != bar->progress.phase;
    bar->progress = progress;
    const auto every = impl_->bar ? Steady::duration(kRedrawEvery) : Steady::duration(kLineEvery);
    if (!new_phase && now - bar->told < every) return;
    bar->told = now;
    if (impl_->bar) return impl_->Draw();
  }
  Event event(EventKind::kProgress, ProgressLine(table, progress, 160));
  event.Set(EventField::kTable, table).Set(EventField::kPhase, progress.phase);
  if (progress.unit == "rows") event.Set(EventField::kRows, progress.rows);
  if (progress.rows_expected > 0) event.Set(EventField::kRowsExpected, progress.rows_expected);
  impl_->Log(event.Set(EventField::kDurationSeconds, progress.seconds));
}

void Terminal::EndTable(const std::string& table) {
  std::lock_guard lock(impl_->mutex);
  impl_->writer.Write(impl_->Erasure());
  std::erase_if(impl_->bars, [&](const auto& bar) { return bar.table == table; });
}

void Terminal::Tell(const Event& event) { impl_->Log(event); }
void Terminal::Note(const std::string& text) { impl_->Log(Event(EventKind::kNote, text)); }
void Terminal::Warn(const std::string& text) { impl_->Log(Event(EventKind::kWarning, text)); }
void Terminal::Error(const Status& status) { impl_->Log(Event::Of(EventKind::kError, status)); }

void Terminal::EndProgress() {
  std::lock_guard lock(impl_->mutex);
  impl_->writer.Write(impl_->Erasure());
  impl_->bars.clear();
}

void Terminal::TellResult(Event event) {
  if (impl_->options.log_format == LogFormat::kText) event.SetLevel(EventLevel::kDebug);
  Tell(event);
}

}  // namespace calve::cli
