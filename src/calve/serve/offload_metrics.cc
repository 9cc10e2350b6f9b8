#include "calve/serve/offload_metrics.h"

#include <algorithm>
#include <cmath>

namespace calve::serve {
namespace {

using prometheus::MetricType;
using schedule::TableState;

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;
constexpr auto kHistogram = MetricType::Histogram;

constexpr const char* kRows = "offload_rows_total";
constexpr const char* kBytes = "offload_bytes_total";
constexpr const char* kFiles = "offload_files_total";
constexpr const char* kReadBytes = "offload_read_bytes_total";
constexpr const char* kLateRows = "offload_late_rows_total";
constexpr const char* kCycles = "offload_cycles_total";
constexpr const char* kErrors = "offload_errors_total";
constexpr const char* kLag = "offload_lag_minutes";
constexpr const char* kDelay = "offload_buffer_minutes";
constexpr const char* kWatermark = "watermark_timestamp_seconds";
constexpr const char* kDuration = "offload_duration_seconds";
constexpr const char* kCycleDuration = "offload_cycle_duration_seconds";
constexpr const char* kPhase = "offload_phase_seconds_total";
constexpr const char* kRate = "offload_rows_per_second";
constexpr const char* kLastSuccess = "offload_last_success_timestamp";
constexpr const char* kLastFailure = "offload_last_failure_timestamp";
constexpr const char* kTableSuccess = "offload_table_last_success_timestamp_seconds";
constexpr const char* kTableFailure = "offload_table_last_failure_timestamp_seconds";
constexpr const char* kTables = "offload_tables_configured";
constexpr const char* kFailures = "offload_consecutive_failures";
constexpr const char* kCycleFailures = "offload_cycle_consecutive_failures";
constexpr const char* kBacklog = "offload_backlog";
constexpr const char* kCycleStarted = "offload_cycle_started_timestamp_seconds";
constexpr const char* kTableStarted = "offload_table_started_timestamp_seconds";
constexpr const char* kInterval = "offload_schedule_interval_seconds";
constexpr const char* kInfo = "offload_info";

constexpr const char* kStatuses[] = {"success", "partial", "failed", "stopped"};
// In place of a table's name, where a cycle failed as a whole. No table of a configuration can be called so by chance.
constexpr const char* kWholeCycle = "(cycle)";

std::vector<MetricDescription> OffloadDescriptions() {
  return {
      {kRows, kCounter, "Rows committed to the cold table, late ones among them."},
      {kBytes, kCounter, "Bytes of the data files that were committed."},
      {kFiles, kCounter, "Data files that were committed."},
      {kReadBytes, kCounter, "Bytes read from ClickHouse, as they came off the wire."},
      {kLateRows, kCounter, "Rows that were inserted or changed behind the watermark, and put in afterwards."},
      {kCycles, kCounter, "Cycles that ended: success, partial (some tables failed or were held up), failed, stopped."},
      {kErrors, kCounter, "Failures by kind of error; table (cycle): a cycle failed before it began any table."},
      {kLag, kGauge, "Minutes from the watermark to now."},
      {kDelay, kGauge, "Minutes of the lag that are wanted: the buffer, and the time that a row covers."},
      {kWatermark, kGauge, "Rows up to here are in the cold table."},
      {kDuration,
       kHistogram,
       "How long a table's turn took, whatever became of it.",
       {0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 14'400}},
      {kCycleDuration,
       kHistogram,
       "How long a cycle over all tables took.",
       {0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 14'400}},
      {kPhase, kCounter,
       "Where the time went, by phase (docs/metrics.md); phases run side by side and do not add up to the duration."},
      {kRate, kGauge, "Rows a second of the last turn that had rows."},
      {kLastSuccess, kGauge, "When the last cycle ended in which every table was done; 0: never."},
      {kLastFailure, kGauge, "When the last cycle ended in which something failed; 0: never."},
      {kTableSuccess, kGauge, "When the table was last done; 0: never."},
      {kTableFailure, kGauge, "When the table last failed; 0: never."},
      {kTables, kGauge, "Tables in the configuration."},
      {kFailures, kGauge, "Failures of the table in a row."},
      {kCycleFailures, kGauge, "Cycles in a row that failed as a whole."},
      {kBacklog, kGauge, "1: rows up to the cut-off were left for the next cycle."},
      {kCycleStarted, kGauge, "When the cycle that runs began; 0: none runs."},
      {kTableStarted, kGauge, "When the table's turn that runs began; 0: none runs."},
      {kInterval, kGauge, "Seconds from one scheduled cycle to the next."},
      {kInfo, kGauge, "1, with what runs as its labels."},
  };
}

double SecondsOf(TimestampMicros time) { return static_cast<double>(time) / 1e6; }

Labels Of(const std::string& table) { return {{"table", table}}; }

}  // namespace

std::vector<MeasuredTable> MeasuredTablesOf(const config::Config& config) {
  std::vector<MeasuredTable> tables;
  for (const config::TableConfig& table : config.tables) {
    tables.push_back({table.name, table.layer, table.buffer_micros + table.cursor.covers_micros});
  }
  return tables;
}

std::string_view CycleStatusOf(const cycle::CycleReport& report) {
  if (report.Count(TableState::kStopped) > 0) return "stopped";
  const bool held_up = std::ranges::any_of(report.tables, [](const cycle::TableReport& table) {
    return table.outcome.state == TableState::kSkipped && table.outcome.blocks;
  });
  if (report.Count(TableState::kFailed) == 0 && !held_up) return "success";
  return report.Count(TableState::kDone) > 0 ? "partial" : "failed";
}

OffloadMetrics::OffloadMetrics(const Clock& clock) : clock_(clock), set_(OffloadDescriptions()) {}

void OffloadMetrics::Restore(const MetricFamilies& earlier) {
  std::lock_guard lock(mutex_);
  set_.Restore(earlier);
}

void OffloadMetrics::Configure(const std::vector<MeasuredTable>& tables, std::optional<int64_t> interval_micros) {
  std::lock_guard lock(mutex_);
  tables_.clear();
  std::vector<std::string> names = {kWholeCycle};
  for (const MeasuredTable& table : tables) {
    tables_[table.name] = table;
    names.push_back(table.name);
  }
  set_.Keep("table", names);
  set_.Keep("version", {CALVE_VERSION});
  set_.Set(kInfo, {{"version", CALVE_VERSION}}, 1);
  set_.Set(kTables, {}, static_cast<double>(tables.size()));
  if (interval_micros) set_.Set(kInterval, {}, SecondsOf(*interval_micros));
  // What is counted from the first time on must be there before it: of a counter that begins with 7 nobody sees how
  // much it grew.
  for (const char* status : kStatuses) set_.Add(kCycles, {{"status", status}}, 0);
  for (const char* name : {kLastSuccess, kLastFailure, kCycleFailures}) set_.Add(name, {}, 0);
  set_.Set(kCycleStarted, {}, set_.Get(kCycleStarted, {}));
  for (const MeasuredTable& table : tables) {
    for (const char* name : {kRows, kBytes, kFiles, kReadBytes, kLateRows}) set_.Add(name, WithLayer(table.name), 0);
    for (const char* name : {kFailures, kTableSuccess, kTableFailure, kTableStarted, kBacklog}) {
      set_.Add(name, Of(table.name), 0);
    }
    set_.Set(kDelay, Of(table.name), SecondsOf(table.delay_micros) / 60);
  }
}

double OffloadMetrics::Seconds() const { return SecondsOf(clock_.Now()); }

Labels OffloadMetrics::WithLayer(const std::string& table) const {
  const auto found = tables_.find(table);
  return {{"table", table}, {"layer", found == tables_.end() ? "" : found->second.layer}};
}

void OffloadMetrics::OnCycleStarted() {
  std::lock_guard lock(mutex_);
  set_.Set(kCycleStarted, {}, Seconds());
}

void OffloadMetrics::EndCycle(std::string_view status, double seconds) {
  set_.Add(kCycles, {{"status", std::string(status)}}, 1);
  set_.Observe(kCycleDuration, {}, seconds);
  set_.Set(kCycleStarted, {}, 0);
  // What was told to stop is neither.
  if (status == "success") set_.Set(kLastSuccess, {}, Seconds());
  if (status == "partial" || status == "failed") set_.Set(kLastFailure, {}, Seconds());
}

void OffloadMetrics::OnCycleEnded(const cycle::CycleReport& report) {
  std::lock_guard lock(mutex_);
  EndCycle(CycleStatusOf(report), SecondsOf(report.finished - report.started));
  set_.Set(kCycleFailures, {}, 0);
}

void OffloadMetrics::OnCycleFailed(const Status& status) {
  std::lock_guard lock(mutex_);
  const double started = set_.Get(kCycleStarted, {});
  const double seconds = started > 0 ? std::max(0.0, Seconds() - started) : 0;
  if (KindOf(status) == ErrorKind::kStopped) return EndCycle("stopped", seconds);
  EndCycle("failed", seconds);
  set_.Add(kCycleFailures, {}, 1);
  set_.Add(kErrors, {{"table", kWholeCycle}, {"error_type", std::string(ErrorKindName(KindOf(status)))}}, 1);
}

void OffloadMetrics::OnTableStarted(const std::string& table) {
  std::lock_guard lock(mutex_);
  set_.Set(kTableStarted, Of(table), Seconds());
}

void OffloadMetrics::OnTableEnded(const cycle::TableReport& report) {
  std::lock_guard lock(mutex_);
  const Labels table = Of(report.name);
  const schedule::TableResult& outcome = report.outcome;
  set_.Set(kTableStarted, table, 0);
  if (outcome.started && outcome.finished) {
    set_.Observe(kDuration, table, SecondsOf(*outcome.finished - *outcome.started));
  }
  if (report.offload) AddResult(report.name, WithLayer(report.name), *report.offload);
  if (outcome.state == TableState::kDone) {
    set_.Set(kFailures, table, 0);
    set_.Set(kTableSuccess, table, Seconds());
  } else if (outcome.state == TableState::kFailed) {
    set_.Add(kFailures, table, 1);
    set_.Set(kTableFailure, table, Seconds());
    set_.Add(kErrors, {{"table", report.name}, {"error_type", std::string(ErrorKindName(KindOf(outcome.status)))}}, 1);
  }
}

void OffloadMetrics::AddResult(const std::string& table, const Labels& of_layer, const offload::OffloadResult& result) {
  if (result.held_by) return;
  set_.Add(kRows, of_layer, static_cast<double>(result.rows + result.late.rows));
  set_.Add(kBytes, of_layer, static_cast<double>(result.bytes + result.late.bytes));
  set_.Add(kFiles, of_layer, static_cast<double>(result.files + result.late.files));
  set_.Add(kReadBytes, of_layer, static_cast<double>(result.bytes_read));
  set_.Add(kLateRows, of_layer, static_cast<double>(result.late.rows));
  set_.Set(kBacklog, Of(table), result.backlog ? 1 : 0);
  if (result.watermark) set_.Set(kWatermark, Of(table), SecondsOf(*result.watermark));
  if (result.rows > 0 && result.seconds > 0) {
    set_.Set(kRate, Of(table), static_cast<double>(result.rows) / result.seconds);
  }
  const offload::SliceSeconds& slice = result.seconds_slice;
  for (const auto& [phase, seconds] : {std::pair("plan", result.seconds_planning),
                                       {"read", slice.read},
                                       {"decode", slice.decode},
                                       {"wait_for_encoder", slice.held},
                                       {"wait_for_rows", slice.starved},
                                       {"encode", slice.encode},
                                       {"upload", slice.upload},
                                       {"commit", result.seconds_committing},
                                       {"late", result.seconds_late}}) {
    set_.Add(kPhase, {{"table", table}, {"phase", phase}}, seconds);
  }
}

void OffloadMetrics::OnWatermark(const std::string& table, TimestampMicros watermark) {
  std::lock_guard lock(mutex_);
  if (tables_.contains(table)) set_.Set(kWatermark, Of(table), SecondsOf(watermark));
}

bool OffloadMetrics::KnowsWatermark(const std::string& table) const {
  std::lock_guard lock(mutex_);
  return set_.Has(kWatermark, Of(table));
}

MetricFamilies OffloadMetrics::Collect() const {
  std::lock_guard lock(mutex_);
  MetricSet now = set_;
  for (const auto& [name, table] : tables_) {
    if (set_.Has(kWatermark, Of(name))) {
      now.Set(kLag, Of(name), (Seconds() - set_.Get(kWatermark, Of(name))) / 60);
    }
  }
  return now.families();
}

MetricFamilies OffloadMetrics::CollectLasting() const {
  std::lock_guard lock(mutex_);
  MetricFamilies lasting = set_.families();
  std::erase_if(lasting, [](const auto& family) {
    return family.name == kLag || family.name == kCycleStarted || family.name == kTableStarted;
  });
  return lasting;
}

}  // namespace calve::serve
