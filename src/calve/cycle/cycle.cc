#include "calve/cycle/cycle.h"

#include <algorithm>
#include <mutex>

#include "calve/cycle/table_request.h"
#include "calve/offload/table_lease.h"
#include "calve/source/nearest_name.h"

namespace calve::cycle {
namespace {

using schedule::TableOutcome;
using schedule::TableState;

std::string HeldBy(const journal::Lease& lease) {
  return fmt::format("another calve works on it: {}, since {}", offload::HolderOf(lease), FormatTimestamp(lease.since));
}

class Cycle : public schedule::CycleObserver {
 public:
  Cycle(const config::Config& config, const CycleOptions& options, TableWork& work, CycleReporter& reporter)
      : config_(config), options_(options), work_(work), reporter_(reporter), planned_(config.tables.size()) {
    report_.numbers = options.tables;
    report_.tables.resize(options.tables.size());
    for (size_t i = 0; i < options.tables.size(); ++i) report_.tables[i].name = TableOf(i).name;
  }

  CycleReport Run(const StopToken& stop, const Clock& clock) {
    std::vector<schedule::CycleTable> tables;
    for (size_t i = 0; i < options_.tables.size(); ++i) {
      const size_t number = options_.tables[i];
      tables.push_back({TableOf(i).memory_bytes, 0,
                        number < options_.skip.size() ? options_.skip[number] : std::optional<std::string>()});
    }
    const config::LimitsConfig& limits = config_.limits;
    // A table has as many queries open at a time as it has readers.
    int64_t readers = 1;
    for (size_t i = 0; i < options_.tables.size(); ++i) readers = std::max(readers, TableOf(i).readers);
    const int64_t connections = limits.connections.value_or(limits.tables * readers);
    const int64_t parallel = std::min(limits.tables, std::max<int64_t>(1, connections / readers));
    const auto result = schedule::RunCycle(
        Graph(), tables, {static_cast<size_t>(parallel), limits.memory_bytes}, [this](size_t i) { return Work(i); },
        stop, clock, this);
    report_.started = result.started;
    report_.finished = result.finished;
    return std::move(report_);
  }

  void OnTableStarted(size_t i) override { reporter_.OnStarted(options_.tables[i]); }
  void OnTableFinished(size_t i, const schedule::TableResult& result) override {
    report_.tables[i].outcome = result;
    reporter_.OnEnded(options_.tables[i], report_.tables[i]);
  }
  void OnTableSkipped(size_t i, const schedule::TableResult& result) override { OnTableFinished(i, result); }

 private:
  const config::TableConfig& TableOf(size_t i) const { return config_.tables[options_.tables[i]]; }

  // The configuration was checked when it was loaded: its graph has no cycle.
  schedule::TableGraph Graph() const {
    std::vector<schedule::TableNode> nodes;
    for (const config::TableConfig& table : config_.tables) nodes.push_back({table.name, table.after});
    return schedule::TableGraph::Make(nodes).ValueOrDie().Restrict(options_.tables);
  }

  TableOutcome Work(size_t i) {
    const config::TableConfig& table = TableOf(i);
    offload::ProgressSink& sink = reporter_.SinkOf(options_.tables[i]);
    offload::OffloadRequest request = RequestOf(table);
    request.dry_run = options_.dry_run;
    request.longest_micros = options_.longest_micros;
    request.until = options_.until;
    for (const std::string& parent : table.after) {
      auto watermark = ParentWatermark(parent);
      if (!watermark.ok()) {
        return TableOutcome::Failed(WithContext(
            watermark.status(), fmt::format("{}: the watermark of {}, which it comes after", table.name, parent)));
      }
      if (!*watermark) {
        return TableOutcome::Skipped(fmt::format("it comes after {}, of which nothing is offloaded yet", parent), true);
      }
      request.until = std::min(request.until.value_or(**watermark), **watermark);
    }
    auto result = work_.Offload(request, sink);
    if (!result.ok()) return TableOutcome::Failed(WithContext(result.status(), table.name));
    if (options_.dry_run) Plan(options_.tables[i], *result);
    report_.tables[i].offload = std::move(*result);
    const auto& held_by = report_.tables[i].offload->held_by;
    return held_by ? TableOutcome::Skipped(HeldBy(*held_by), false) : TableOutcome::Done();
  }

  Result<std::optional<TimestampMicros>> ParentWatermark(const std::string& name) {
    const auto parent = std::ranges::find(config_.tables, name, &config::TableConfig::name);
    if (options_.dry_run) {
      std::lock_guard lock(mutex_);
      const auto& planned = planned_[static_cast<size_t>(parent - config_.tables.begin())];
      if (planned) return planned;
    }
    return work_.Watermark(parent->target);
  }

  // Where the watermark would be if this were no dry run.
  void Plan(size_t number, const offload::OffloadResult& result) {
    std::lock_guard lock(mutex_);
    planned_[number] = result.window.empty() ? result.watermark : result.window.to;
  }

  const config::Config& config_;
  const CycleOptions& options_;
  TableWork& work_;
  CycleReporter& reporter_;
  CycleReport report_;  // of each table by the thread that works on it, or by the cycle's own while nobody does

  std::mutex mutex_;
  std::vector<std::optional<TimestampMicros>> planned_;  // protected by mutex_; by number
};

}  // namespace

size_t CycleReport::Count(TableState state) const {
  return static_cast<size_t>(std::ranges::count(tables, state, [](const auto& table) { return table.outcome.state; }));
}

bool CycleReport::backlog() const {
  return std::ranges::any_of(tables, [](const auto& table) { return table.offload && table.offload->backlog; });
}

bool CycleReport::progressed() const {
  return std::ranges::any_of(tables, [](const auto& table) { return table.offload && table.offload->snapshot_id; });
}

Result<std::vector<size_t>> ChooseTables(const config::Config& config, const std::vector<std::string>& names) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < config.tables.size(); ++i) {
    if (names.empty() || std::ranges::find(names, config.tables[i].name) != names.end()) chosen.push_back(i);
  }
  for (const std::string& name : names) {
    if (std::ranges::find(config.tables, name, &config::TableConfig::name) != config.tables.end()) continue;
    std::vector<std::string> known;
    for (const auto& table : config.tables) known.push_back(table.name);
    const std::string nearest = source::NearestName(name, known);
    return MakeError(ErrorKind::kConfig, fmt::format("{} has no table '{}'", config.file, name),
                     nearest.empty() ? fmt::format("It has: {}.", fmt::join(known, ", "))
                                     : fmt::format("Did you mean {}?", nearest));
  }
  return chosen;
}

CycleReport RunCycle(const config::Config& config, const CycleOptions& options, TableWork& work, const StopToken& stop,
                     const Clock& clock, CycleReporter& reporter) {
  return Cycle(config, options, work, reporter).Run(stop, clock);
}

}  // namespace calve::cycle
