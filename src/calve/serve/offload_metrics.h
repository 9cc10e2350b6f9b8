// What cycles tell, as metrics (docs/metrics.md). The values change with events; what depends on the time of day, as a
// table's lag, is worked out when it is asked for.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/time.h"
#include "calve/cycle/passing_reporter.h"
#include "calve/serve/metric_set.h"

namespace calve::serve {

// A table as the metrics know it: labels come from the configuration alone.
struct MeasuredTable {
  std::string name;
  std::string layer;         // may be empty
  int64_t delay_micros = 0;  // by which a window ends before the present: the buffer, and what a row covers
};
std::vector<MeasuredTable> MeasuredTablesOf(const config::Config& config);

// "success", "partial" (some tables failed or were held up), "failed" (all that ran), "stopped".
std::string_view CycleStatusOf(const cycle::CycleReport& report);

// Thread-safe.
class OffloadMetrics {
 public:
  // `clock` must outlive it.
  explicit OffloadMetrics(const Clock& clock);

  // What an earlier process left (metrics_file.h). Before Configure.
  void Restore(const MetricFamilies& earlier);
  // These tables from now on; others are forgotten. `interval_micros`: from one scheduled cycle to the next; none: they
  // are not scheduled by calve.
  void Configure(const std::vector<MeasuredTable>& tables, std::optional<int64_t> interval_micros);

  void OnCycleStarted();
  void OnCycleEnded(const cycle::CycleReport& report);
  // It failed as a whole: nothing was begun.
  void OnCycleFailed(const Status& status);
  void OnTableStarted(const std::string& table);
  void OnTableEnded(const cycle::TableReport& report);
  // As the target tells it.
  void OnWatermark(const std::string& table, TimestampMicros watermark);
  bool KnowsWatermark(const std::string& table) const;

  // Every value, with what holds at this moment.
  MetricFamilies Collect() const;
  // What is still true when it is read later.
  MetricFamilies CollectLasting() const;

 private:
  // All with mutex_ held.
  double Seconds() const;  // the time of day
  void EndCycle(std::string_view status, double seconds);
  void AddResult(const std::string& table, const Labels& of_layer, const offload::OffloadResult& result);
  Labels WithLayer(const std::string& table) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  // protected by mutex_
  MetricSet set_;
  std::map<std::string, MeasuredTable> tables_;
};

// Passes on what a cycle reports, and counts it. All must outlive it.
class MeasuringReporter : public cycle::PassingReporter {
 public:
  MeasuringReporter(cycle::CycleReporter& inner, const config::Config& config, OffloadMetrics& metrics)
      : PassingReporter(inner, config.tables.size()), config_(config), metrics_(metrics) {}

  void OnStarted(size_t table) override {
    metrics_.OnTableStarted(config_.tables[table].name);
    PassingReporter::OnStarted(table);
  }
  void OnEnded(size_t table, const cycle::TableReport& report) override {
    metrics_.OnTableEnded(report);
    PassingReporter::OnEnded(table, report);
  }

 private:
  // A load in chunks moves the watermark long before its turn ends.
  void OnProgress(size_t table, const Progress& progress) override {
    // What waits for the one commit of a cycle is not in yet.
    if (config_.commit == config::CommitUnit::kCycle || !progress.watermark) return;
    metrics_.OnWatermark(config_.tables[table].name, *progress.watermark);
  }

  const config::Config& config_;
  OffloadMetrics& metrics_;
};

}  // namespace calve::serve
