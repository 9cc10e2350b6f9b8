// What goes to stderr: log lines and progress. stdout belongs to the result.
#pragma once

#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/offload/progress.h"

namespace calve::cli {

enum class LogFormat { kText, kJson };
enum class Verbosity { kQuiet, kNormal, kVerbose };
enum class ProgressMode { kAuto, kAlways, kNever };

struct TerminalOptions {
  LogFormat log_format = LogFormat::kText;
  Verbosity verbosity = Verbosity::kNormal;
  ProgressMode progress = ProgressMode::kAuto;  // auto: where stderr is a terminal and logs are text
  bool show_time = false;                       // before each text line
};

// Thread-safe.
class Terminal : public offload::ProgressSink {
 public:
  explicit Terminal(const TerminalOptions& options);
  ~Terminal() override;

  void Update(const offload::Progress& progress) override;
  void Note(const std::string& text) override;
  // The same of one of several tables that are worked on at once: a line for each.
  void UpdateTable(const std::string& table, const offload::Progress& progress);
  void EndTable(const std::string& table);
  void Warn(const std::string& text);
  // Message and remedy, once, at the edge.
  void Error(const Status& status);
  // Takes the progress bars away.
  void EndProgress();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "3,820,509", "41.2 MB", "3.47 M", "1.2 s", "2 h 05 min"
std::string HumanCount(int64_t count);
std::string HumanBytes(int64_t bytes);
std::string HumanRate(double per_second);
std::string HumanSeconds(double seconds);

// The bar's text for a width, without control characters: pure, for the tests.
std::string ProgressLine(const offload::Progress& progress, int width);

}  // namespace calve::cli
