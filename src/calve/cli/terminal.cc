#include "calve/cli/terminal.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "calve/base/time.h"

namespace calve::cli {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(5);  // where no bar can be drawn

int TerminalWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 100;
}

}  // namespace

std::string HumanCount(int64_t count) {
  std::string digits = std::to_string(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string HumanBytes(int64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.95 && unit < 5) value /= 1000, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string HumanRate(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f} M", per_second / 1e6);
  if (per_second >= 1e4) return fmt::format("{:.0f} k", per_second / 1e3);
  return fmt::format("{:.0f}", per_second);
}

std::string HumanSeconds(double seconds) {
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86'400, whole / 3600 % 24);
}

std::string ProgressLine(const offload::Progress& p, int width) {
  double rate = p.seconds > 0 ? static_cast<double>(p.rows) / p.seconds : 0;
  std::string numbers = fmt::format("{} rows  {} rows/s  {} read  {} written", HumanCount(p.rows), HumanRate(rate),
                                    HumanBytes(p.bytes_read), HumanBytes(p.bytes_written));
  if (p.phase != "reading") return fmt::format("{:<10} {}", p.phase, p.phase == "planning" ? "" : numbers);
  if (p.rows_expected <= 0) return fmt::format("{:<10} {}", p.phase, numbers);
  double share = std::min(1.0, static_cast<double>(p.rows) / static_cast<double>(p.rows_expected));
  double left = rate > 0 ? static_cast<double>(std::max<int64_t>(0, p.rows_expected - p.rows)) / rate : 0;
  std::string tail = fmt::format("{}  {} left", numbers, HumanSeconds(left));
  int room = width - static_cast<int>(tail.size()) - 18;  // phase, percentage, brackets
  std::string bar;
  if (room >= 8) {
    int cells = std::min(room, 30);
    int full = static_cast<int>(share * cells);
    bar =
        "[" + std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(cells - full), '.') + "] ";
  }
  return fmt::format("{:<8} {:>3.0f}% {}{}", p.phase, share * 100, bar, tail);
}

struct Terminal::Impl {
  TerminalOptions options;
  std::shared_ptr<spdlog::logger> logger;
  bool bar = false;    // redrawn in place
  bool lines = false;  // one line now and then
  std::mutex mutex;
  struct Bar {
    std::string table;  // empty: the only one
    offload::Progress progress;
    Steady::time_point told{};  // last drawn or written
  };
  // protected by mutex
  size_t drawn = 0;       // lines
  std::vector<Bar> bars;  // in the order in which the tables began

  void Clear() {
    if (drawn == 0) return;
    std::fputs("\r\x1b[K", stderr);
    for (; drawn > 1; --drawn) std::fputs("\x1b[A\x1b[K", stderr);
    std::fflush(stderr);
    drawn = 0;
  }

  static std::string Line(const Bar& bar, int width) {
    if (bar.table.empty()) return ProgressLine(bar.progress, width);
    const std::string head = fmt::format("{:<24.40} ", bar.table);
    return head + ProgressLine(bar.progress, width - static_cast<int>(head.size()));
  }

  void Draw() {
    Clear();
    const int width = TerminalWidth() - 1;
    for (const Bar& each : bars) {
      // A line that wraps could not be taken away again.
      std::fprintf(stderr, "%s%.*s", drawn == 0 ? "" : "\n", width, Line(each, width).c_str());
      ++drawn;
    }
    std::fflush(stderr);
  }

  void Log(spdlog::level::level_enum level, const std::string& message, const std::string& remedy = "") {
    std::lock_guard lock(mutex);
    Clear();
    if (options.log_format == LogFormat::kText) {
      const std::string time =
          options.show_time ? FormatTimestamp(SystemClock().Now()).substr(0, 19) + "Z " : std::string();
      const char* kind = level >= spdlog::level::err ? "error: " : level >= spdlog::level::warn ? "warning: " : "";
      logger->log(level, "{}calve: {}{}", time, kind, message);
      if (!remedy.empty()) logger->log(level, "  remedy: {}", remedy);
      return;
    }
    nlohmann::ordered_json line = {{"time", FormatTimestamp(SystemClock().Now())},
                                   {"level", spdlog::level::to_string_view(level).data()},
                                   {"message", message}};
    if (!remedy.empty()) line["remedy"] = remedy;
    logger->log(level, "{}", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
};

Terminal::Terminal(const TerminalOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->logger = std::make_shared<spdlog::logger>("calve", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  impl_->logger->set_pattern("%v");
  impl_->logger->set_level(options.verbosity == Verbosity::kQuiet     ? spdlog::level::err
                           : options.verbosity == Verbosity::kVerbose ? spdlog::level::debug
                                                                      : spdlog::level::info);
  bool tty = isatty(STDERR_FILENO) != 0;
  bool wanted = options.progress == ProgressMode::kAlways ||
                (options.progress == ProgressMode::kAuto && tty && options.verbosity != Verbosity::kQuiet);
  impl_->bar = wanted && tty && options.log_format == LogFormat::kText;
  impl_->lines = wanted && !impl_->bar;
}

Terminal::~Terminal() { EndProgress(); }

void Terminal::Update(const offload::Progress& progress) { UpdateTable("", progress); }

void Terminal::UpdateTable(const std::string& table, const offload::Progress& progress) {
  if (!impl_->bar && !impl_->lines) return;
  const auto now = Steady::now();
  std::string line;
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
    line = Impl::Line(*bar, 160);
  }
  impl_->Log(spdlog::level::info, line);
}

void Terminal::EndTable(const std::string& table) {
  std::lock_guard lock(impl_->mutex);
  impl_->Clear();
  std::erase_if(impl_->bars, [&](const auto& bar) { return bar.table == table; });
}

void Terminal::Note(const std::string& text) { impl_->Log(spdlog::level::info, text); }
void Terminal::Warn(const std::string& text) { impl_->Log(spdlog::level::warn, text); }
void Terminal::Error(const Status& status) { impl_->Log(spdlog::level::err, MessageOf(status), RemedyOf(status)); }

void Terminal::EndProgress() {
  std::lock_guard lock(impl_->mutex);
  impl_->Clear();
  impl_->bars.clear();
}

}  // namespace calve::cli
