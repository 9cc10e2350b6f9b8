// Where commands that end leave their metrics: --metrics-file, or the configuration's metrics.directory.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <vector>

#include "calve/cli/terminal.h"
#include "calve/config/config.h"
#include "calve/cycle/cycle.h"
#include "calve/serve/metric_set.h"
#include "calve/serve/offload_metrics.h"

namespace calve::cli {

void AddMetricsFileFlag(CLI::App& command, std::string& file);

// The file of this command; empty where none is wanted. `config` may be null.
std::string MetricsFileOf(const std::string& flag, const config::Config* config, const std::string& command);

// A cycle of a command that ends. That it cannot be written is a warning.
void WriteCycleMetrics(const std::string& file, const std::vector<serve::MeasuredTable>& tables,
                       std::optional<int64_t> interval_micros, const Result<cycle::CycleReport>& report,
                       Terminal& terminal);

// What a command found at several tables, put into its file at the end.
class FindingsFile {
 public:
  // `tables`: those of the configuration, others are forgotten; none: all that are in the file stay.
  FindingsFile(std::string file, std::vector<serve::MetricDescription> descriptions, const config::Config* config);

  void Add(std::function<void(serve::MetricSet&)> finding);
  void Write(Terminal& terminal) const;

 private:
  const std::string file_;
  const std::vector<serve::MetricDescription> descriptions_;
  std::vector<std::string> tables_;
  std::vector<std::function<void(serve::MetricSet&)>> findings_;
};

}  // namespace calve::cli
