// What goes to stderr: log lines and progress. stdout belongs to the result.
#pragma once

#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/base/progress.h"
#include "calve/cli/progress_line.h"

namespace calve::cli {

enum class LogFormat { kText, kJson };
enum class Verbosity { kNone, kQuiet, kNormal, kVerbose };
enum class ProgressMode { kAuto, kAlways, kNever };

struct TerminalOptions {
  LogFormat log_format = LogFormat::kText;
  Verbosity verbosity = Verbosity::kNormal;
  ProgressMode progress = ProgressMode::kAuto;  // auto: where stderr is a terminal and logs are text
  bool show_time = false;                       // before each text line
};

// Whether what goes to this descriptor may have colours: a terminal that is not dumb, unless NO_COLOR is set;
// CLICOLOR_FORCE or FORCE_COLOR (other than 0) asks for them everywhere.
bool MayColor(int fd);
// Whether lines may be drawn over on it.
bool MayRedraw(int fd);
// Columns and rows; `otherwise` where it is no terminal.
struct TerminalSize {
  size_t columns, rows;
};
TerminalSize SizeOf(int fd, TerminalSize otherwise);

// Thread-safe. Never holds its caller up for longer than a second, whatever stands behind stderr (log_writer.h).
class Terminal : public ProgressSink {
 public:
  explicit Terminal(const TerminalOptions& options);
  ~Terminal() override;

  void Update(const Progress& progress) override;
  void Note(const std::string& text) override;
  void Tell(const Event& event) override;
  // The same of one of several tables that are worked on at once: a line for each.
  void UpdateTable(const std::string& table, const Progress& progress);
  void EndTable(const std::string& table);
  void Warn(const std::string& text);
  // Message and remedy, once, at the edge.
  void Error(const Status& status);
  // Takes the progress bars away.
  void EndProgress();

  // What a command prints as its result, for people, is told as an event where a program reads the log; else with -v.
  void TellResult(Event event);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::cli
