#include "calve/serve/server_state.h"

#include <algorithm>

#include "calve/offload/watermark.h"
#include "calve/schedule/table_graph.h"
#include "calve/serve/offload_metrics.h"
#include "calve/table/snapshot_summary.h"

namespace calve::serve {
namespace {

using schedule::TableState;

std::string TextOf(const iceberg::StringMap& summary, const char* key) {
  const auto found = summary.find(key);
  return found == summary.end() ? std::string() : std::string(found->second);
}

// Behind all that it comes after.
std::vector<int64_t> ColumnsOf(const config::Config& config) {
  std::vector<schedule::TableNode> nodes;
  for (const config::TableConfig& table : config.tables) nodes.push_back({table.name, table.after});
  std::vector<int64_t> columns(config.tables.size(), 0);
  const auto graph = schedule::TableGraph::Make(nodes);
  if (!graph.ok()) return columns;
  for (const size_t table : graph->order()) {
    for (const size_t parent : graph->parents(table)) {
      columns[table] = std::max(columns[table], columns[parent] + 1);
    }
  }
  return columns;
}

TableRun RunOf(const cycle::TableReport& report) {
  TableRun run;
  run.state = report.outcome.state;
  run.reason = report.outcome.reason;
  run.error = report.outcome.status;
  run.started = report.outcome.started;
  run.finished = report.outcome.finished;
  run.blocks = report.outcome.blocks;
  if (!report.offload || report.offload->held_by) return run;
  run.rows = report.offload->rows;
  run.late_rows = report.offload->late.rows;
  run.files = report.offload->files + report.offload->late.files;
  run.bytes = report.offload->bytes + report.offload->late.bytes;
  if (!report.offload->window.empty()) run.window_to = report.offload->window.to;
  run.backlog = report.offload->backlog;
  return run;
}

}  // namespace

TableFacts FactsOf(const iceberg::TableMetadata& metadata) {
  TableFacts facts;
  const auto watermark = offload::ReadWatermark(metadata);
  if (watermark.ok() && *watermark) facts.watermark = (*watermark)->stamp.window_to;
  if (const iceberg::Snapshot* tip = metadata.CurrentSnapshot()) {
    facts.rows = table::SummaryCount(tip->summary, "total-records");
    facts.files = table::SummaryCount(tip->summary, "total-data-files");
    facts.bytes = table::SummaryCount(tip->summary, "total-files-size");
  }
  facts.snapshot_count = static_cast<int64_t>(metadata.snapshots.size());
  std::vector<const iceberg::Snapshot*> newest;
  for (const iceberg::Snapshot& snapshot : metadata.snapshots) newest.push_back(&snapshot);
  std::ranges::stable_sort(newest, std::ranges::greater(), [](const auto* snapshot) { return snapshot->timestamp_ms; });
  if (newest.size() > kSnapshotsKept) newest.resize(kSnapshotsKept);
  for (const iceberg::Snapshot* snapshot : newest) {
    TableFacts::SnapshotFact fact;
    fact.id = snapshot->snapshot_id;
    fact.committed_at = snapshot->timestamp_ms * 1000;
    fact.operation = TextOf(snapshot->summary, "operation");
    fact.kind = TextOf(snapshot->summary, "calve.kind");
    fact.window_from = TextOf(snapshot->summary, "calve.window-from");
    fact.window_to = TextOf(snapshot->summary, "calve.window-to");
    fact.rows = table::SummaryCount(snapshot->summary, "added-records");
    fact.files = table::SummaryCount(snapshot->summary, "added-data-files");
    fact.bytes = table::SummaryCount(snapshot->summary, "added-files-size");
    fact.total_rows = table::SummaryCount(snapshot->summary, "total-records");
    facts.snapshots.push_back(std::move(fact));
  }
  return facts;
}

TableNow* ServerState::Find(const std::string& table) {
  const auto found = places_.find(table);
  return found == places_.end() ? nullptr : &now_.tables[found->second];
}

void ServerState::Configure(const config::Config& config, const std::string& schedule, int64_t interval_micros) {
  const std::vector<int64_t> columns = ColumnsOf(config);
  const std::vector<MeasuredTable> measured = MeasuredTablesOf(config);
  std::lock_guard lock(mutex_);
  std::vector<TableNow> tables;
  for (size_t i = 0; i < config.tables.size(); ++i) {
    const config::TableConfig& from = config.tables[i];
    TableNow table;
    if (const TableNow* known = Find(from.name)) table = *known;
    const std::string target = from.target.ToString();
    if (table.table.target != target) table = {};  // another table under an old name
    table.table = {from.name,
                   from.layer,
                   from.query.empty() ? from.source : "(query)",
                   target,
                   from.after,
                   columns[i],
                   measured[i].delay_micros};
    tables.push_back(std::move(table));
  }
  now_.tables = std::move(tables);
  places_.clear();
  for (size_t i = 0; i < now_.tables.size(); ++i) places_[now_.tables[i].table.name] = i;
  now_.config_file = config.file;
  now_.schedule = schedule;
  now_.interval_micros = interval_micros;
  now_.last_problem.clear();
  changes_.everything = true;
}

void ServerState::OnReloadFailed(const Status& status) {
  std::lock_guard lock(mutex_);
  now_.last_problem =
      fmt::format("the configuration was not read again, the old one stays in force: {}", MessageOf(status));
  changes_.state = true;
}

void ServerState::SetJournalProblem(const std::string& problem) {
  std::lock_guard lock(mutex_);
  if (now_.last_problem == problem) return;
  now_.last_problem = problem;
  changes_.state = true;
}

void ServerState::OnWaiting(const schedule::DueCycle& next) {
  std::lock_guard lock(mutex_);
  now_.next = next;
  changes_.state = true;
}

void ServerState::OnRunRequested() {
  std::lock_guard lock(mutex_);
  now_.is_run_requested = true;
  changes_.state = true;
}

void ServerState::OnStopping() {
  std::lock_guard lock(mutex_);
  now_.is_stopping = true;
  now_.next = std::nullopt;
  changes_.state = true;
}

void ServerState::OnCycleStarted(const schedule::DueCycle& due) {
  std::lock_guard lock(mutex_);
  now_.cycle = {std::string(schedule::CycleCauseName(due.cause)), clock_.Now(), 0, 0};
  now_.next = std::nullopt;
  now_.is_run_requested = false;
  changes_.state = true;
}

void ServerState::OnTablesChosen(size_t count) {
  std::lock_guard lock(mutex_);
  if (now_.cycle) now_.cycle->tables = static_cast<int64_t>(count);
  changes_.state = true;
}

void ServerState::OnTableStarted(const std::string& table) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now) return;
  now->running_since = clock_.Now();
  now->progress.emplace();
  changes_.tables.insert(table);
}

void ServerState::OnProgress(const std::string& table, const offload::Progress& progress) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now || !now->running_since) return;
  now->progress = progress;
  if (progress.watermark && now->facts) now->facts->watermark = progress.watermark;
  changes_.progress = true;
}

void ServerState::OnTableEnded(const cycle::TableReport& report) {
  std::lock_guard lock(mutex_);
  if (now_.cycle) ++now_.cycle->ended;
  changes_.state = true;
  TableNow* now = Find(report.name);
  if (!now) return;
  now->running_since = std::nullopt;
  now->progress = std::nullopt;
  TableRun run = RunOf(report);
  if (run.state == TableState::kFailed) {
    now->last_failure = run;
    ++now->failures;
  } else if (run.state == TableState::kDone) {
    now->last_failure = std::nullopt;
    now->failures = 0;
    now->aside.clear();
    if (report.offload && report.offload->watermark && now->facts) now->facts->watermark = report.offload->watermark;
  }
  now->last_run = std::move(run);
  changes_.tables.insert(report.name);
}

void ServerState::Add(PastCycle cycle) {
  changes_.cycles.push_back(cycle);
  if (changes_.cycles.size() > kCyclesKept) changes_.cycles.erase(changes_.cycles.begin());
  now_.cycles.push_back(std::move(cycle));
  if (now_.cycles.size() > kCyclesKept) now_.cycles.erase(now_.cycles.begin());
  now_.cycle = std::nullopt;
  changes_.state = true;
}

void ServerState::OnCycleEnded(const cycle::CycleReport& report) {
  std::lock_guard lock(mutex_);
  Add(PastCycleOf(report, now_.cycle ? now_.cycle->cause : ""));
}

void ServerState::OnCycleFailed(const Status& status) {
  std::lock_guard lock(mutex_);
  PastCycle past;
  past.finished = clock_.Now();
  past.started = now_.cycle ? now_.cycle->started : past.finished;
  past.cause = now_.cycle ? now_.cycle->cause : "";
  past.status = KindOf(status) == ErrorKind::kStopped ? "stopped" : "failed";
  past.error = status;
  for (TableNow& table : now_.tables) {
    table.running_since = std::nullopt;
    table.progress = std::nullopt;
  }
  Add(std::move(past));
}

void ServerState::OnTableRead(const std::string& table, TableFacts facts) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now) return;
  now->facts = std::move(facts);
  changes_.tables.insert(table);
}

bool ServerState::KnowsTable(const std::string& table) const {
  std::lock_guard lock(mutex_);
  const TableNow* now = Find(table);
  return now && now->facts;
}

void ServerState::SetAside(const std::string& table, int failures, const std::string& aside) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now || (now->failures == failures && now->aside == aside)) return;
  now->failures = failures;
  now->aside = aside;
  changes_.tables.insert(table);
}

void ServerState::SetHistory(std::vector<PastCycle> cycles) {
  std::lock_guard lock(mutex_);
  now_.is_history_known = true;
  if (cycles.empty()) return;
  cycles.insert(cycles.end(), now_.cycles.begin(), now_.cycles.end());
  if (cycles.size() > kCyclesKept) cycles.erase(cycles.begin(), cycles.end() - kCyclesKept);
  now_.cycles = std::move(cycles);
  changes_.everything = true;
}

bool ServerState::is_history_known() const {
  std::lock_guard lock(mutex_);
  return now_.is_history_known;
}

void ServerState::SetPauses(const std::vector<journal::PausedTable>& pauses) {
  std::lock_guard lock(mutex_);
  for (TableNow& table : now_.tables) {
    const auto found = std::ranges::find(pauses, table.table.target, &journal::PausedTable::table);
    const auto since = found == pauses.end() ? std::nullopt : std::optional(found->since);
    if (table.paused_since == since) continue;
    table.paused_since = since;
    changes_.tables.insert(table.table.name);
  }
}

void ServerState::SetPaused(const std::string& table, std::optional<TimestampMicros> since) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now || now->paused_since.has_value() == since.has_value()) return;
  now->paused_since = since;
  changes_.tables.insert(table);
}

std::set<std::string> ServerState::paused() const {
  std::lock_guard lock(mutex_);
  std::set<std::string> names;
  for (const TableNow& table : now_.tables) {
    if (table.paused_since) names.insert(table.table.name);
  }
  return names;
}

std::optional<std::string> ServerState::TargetOf(const std::string& table) const {
  std::lock_guard lock(mutex_);
  const TableNow* now = Find(table);
  return now ? std::optional(now->table.target) : std::nullopt;
}

bool ServerState::QueueVerify(const std::string& table, const VerifyJob& job) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now) return false;
  const bool is_under_way = now->verify && (now->verify->state == VerifyJob::State::kQueued ||
                                            now->verify->state == VerifyJob::State::kRunning);
  if (is_under_way) return false;
  now->verify = job;
  changes_.tables.insert(table);
  return true;
}

void ServerState::OnVerify(const std::string& table, const std::function<void(VerifyJob&)>& change) {
  std::lock_guard lock(mutex_);
  TableNow* now = Find(table);
  if (!now || !now->verify) return;
  change(*now->verify);
  changes_.tables.insert(table);
}

int64_t ServerState::interval_micros() const {
  std::lock_guard lock(mutex_);
  return now_.interval_micros;
}

bool ServerState::is_cycle_running() const {
  std::lock_guard lock(mutex_);
  return now_.cycle.has_value();
}

ServerNow ServerState::Look() const {
  std::lock_guard lock(mutex_);
  return now_;
}

std::optional<TableNow> ServerState::LookAt(const std::string& table) const {
  std::lock_guard lock(mutex_);
  const TableNow* now = Find(table);
  return now ? std::optional(*now) : std::nullopt;
}

StateChanges ServerState::TakeChanges() {
  std::lock_guard lock(mutex_);
  return std::exchange(changes_, {});
}

}  // namespace calve::serve
