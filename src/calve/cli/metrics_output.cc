#include "calve/cli/metrics_output.h"

#include "calve/serve/endpoints.h"
#include "calve/serve/metrics_file.h"

namespace calve::cli {
namespace {

void WriteMetrics(const std::string& file,
                  const std::function<serve::MetricFamilies(const serve::MetricFamilies&)>& update,
                  Terminal& terminal) {
  const Status written = serve::UpdateMetricsFile(file, update);
  if (!written.ok()) {
    terminal.Warn(fmt::format("the metrics were not written: {}. {}", MessageOf(written), RemedyOf(written)));
  }
}

}  // namespace

void AddMetricsFileFlag(CLI::App& command, std::string& file) {
  command
      .add_option("--metrics-file", file,
                  "leave metrics in this file, for node_exporter's textfile collector (docs/metrics.md)")
      ->envname("CALVE_METRICS_FILE")
      ->group("Output");
}

std::string MetricsFileOf(const std::string& flag, const config::Config* config, const std::string& command) {
  if (!flag.empty() || !config || config->metrics.directory.empty()) return flag;
  return serve::MetricsFileIn(config->metrics.directory, command);
}

void WriteCycleMetrics(const std::string& file, const std::vector<serve::MeasuredTable>& tables,
                       std::optional<int64_t> interval_micros, const Result<cycle::CycleReport>& report,
                       Terminal& terminal) {
  if (file.empty()) return;
  const SystemClock clock;
  const auto update = [&](const serve::MetricFamilies& earlier) {
    serve::OffloadMetrics metrics(clock);
    metrics.Restore(earlier);
    metrics.Configure(tables, interval_micros);
    if (report.ok()) {
      for (const cycle::TableReport& table : report->tables) metrics.OnTableEnded(table);
      metrics.OnCycleEnded(*report);
    } else {
      metrics.OnCycleFailed(report.status());
    }
    return metrics.CollectLasting();
  };
  WriteMetrics(file, update, terminal);
}

FindingsFile::FindingsFile(std::string file, std::vector<serve::MetricDescription> descriptions,
                           const config::Config* config)
    : file_(std::move(file)), descriptions_(std::move(descriptions)) {
  if (!config) return;
  for (const config::TableConfig& table : config->tables) tables_.push_back(table.name);
}

void FindingsFile::Add(std::function<void(serve::MetricSet&)> finding) {
  if (!file_.empty()) findings_.push_back(std::move(finding));
}

void FindingsFile::Write(Terminal& terminal) const {
  if (findings_.empty()) return;
  const auto update = [&](const serve::MetricFamilies& earlier) {
    serve::MetricSet set(descriptions_);
    set.Restore(earlier);
    if (!tables_.empty()) set.Keep("table", tables_);
    for (const auto& finding : findings_) finding(set);
    return set.families();
  };
  WriteMetrics(file_, update, terminal);
}

}  // namespace calve::cli
