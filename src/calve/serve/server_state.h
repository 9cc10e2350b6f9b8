// What `calve serve` knows at this moment, for the page and the API: told by those who do the work, asked by those who
// answer. status_document.h makes JSON of it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/cycle/passing_reporter.h"
#include "calve/offload/verify.h"
#include "calve/schedule/cycle_schedule.h"
#include "calve/serve/cycle_history.h"

namespace calve::serve {

// As the table itself tells it.
struct TableFacts {
  struct SnapshotFact {
    int64_t id = 0;
    TimestampMicros committed_at = 0;
    std::string operation, kind;  // kind: calve.kind; empty: another writer's
    std::string window_from, window_to;
    std::optional<int64_t> rows, files, bytes;  // added
    std::optional<int64_t> total_rows;
  };
  std::optional<TimestampMicros> watermark;
  std::optional<int64_t> rows, files, bytes;
  int64_t snapshot_count = 0;
  std::vector<SnapshotFact> snapshots;  // the newest first, a few
};
inline constexpr size_t kSnapshotsKept = 50;

TableFacts FactsOf(const iceberg::TableMetadata& metadata);

// What the configuration says of it.
struct ServedTable {
  std::string name, layer, source, target;
  std::vector<std::string> after;
  int64_t column = 0;        // of the graph: behind all that it comes after
  int64_t delay_micros = 0;  // by which a window ends before the present
};

struct TableRun {  // that has ended
  schedule::TableState state = schedule::TableState::kDone;
  std::string reason;
  Status error;
  std::optional<TimestampMicros> started, finished;
  int64_t rows = 0, late_rows = 0, files = 0, bytes = 0;
  std::optional<TimestampMicros> window_to;
  bool backlog = false, blocks = false;
};

struct VerifyJob {
  enum class State { kQueued, kRunning, kDone, kFailed };
  State state = State::kQueued;
  std::optional<TimestampMicros> from, to;
  std::string config_file;  // for the remedy
  TimestampMicros asked = 0;
  std::optional<TimestampMicros> started, finished;
  offload::Progress progress;
  Status error;
  std::optional<offload::VerifyResult> result;  // without examples
};

struct TableNow {
  ServedTable table;
  std::optional<TableFacts> facts;
  std::optional<offload::Progress> progress;  // while it runs
  std::optional<TimestampMicros> running_since;
  std::optional<TableRun> last_run;
  std::optional<TableRun> last_failure;  // since the last success
  int failures = 0;                      // in a row
  std::string aside;                     // empty: it is not put aside
  std::optional<TimestampMicros> paused_since;
  std::optional<VerifyJob> verify;  // the last one
};

struct CycleNow {
  std::string cause;
  TimestampMicros started = 0;
  int64_t tables = 0, ended = 0;
};

struct ServerNow {
  TimestampMicros started_at = 0;
  std::string config_file, schedule;
  int64_t interval_micros = 0;
  std::optional<schedule::DueCycle> next;
  bool is_run_requested = false, is_stopping = false, is_history_known = false;
  std::string last_problem;  // of the configuration that was read again, of a journal that is away
  std::optional<CycleNow> cycle;
  std::vector<TableNow> tables;
  std::vector<PastCycle> cycles;  // oldest first
};

// What has changed since it was last asked.
struct StateChanges {
  bool everything = false;       // tables came and went
  bool state = false;            // the server's own
  bool progress = false;         // of what runs
  std::set<std::string> tables;  // whose document is another
  std::vector<PastCycle> cycles;

  bool empty() const { return !everything && !state && !progress && tables.empty() && cycles.empty(); }
};

// Thread-safe.
class ServerState {
 public:
  static constexpr size_t kCyclesKept = 200;

  // `clock` must outlive it.
  explicit ServerState(const Clock& clock) : clock_(clock) { now_.started_at = clock.Now(); }

  // These tables from now on; of others nothing is kept.
  void Configure(const config::Config& config, const std::string& schedule, int64_t interval_micros);
  void OnReloadFailed(const Status& status);
  void OnWaiting(const schedule::DueCycle& next);
  void OnRunRequested();
  void OnStopping();

  void OnCycleStarted(const schedule::DueCycle& due);
  void OnTablesChosen(size_t count);
  void OnTableStarted(const std::string& table);
  void OnProgress(const std::string& table, const offload::Progress& progress);
  void OnTableEnded(const cycle::TableReport& report);
  void OnCycleEnded(const cycle::CycleReport& report);
  // As a whole.
  void OnCycleFailed(const Status& status);

  void OnTableRead(const std::string& table, TableFacts facts);
  bool KnowsTable(const std::string& table) const;
  void SetAside(const std::string& table, int failures, const std::string& aside);
  void SetJournalProblem(const std::string& problem);
  // Cycles before this process; once.
  void SetHistory(std::vector<PastCycle> cycles);
  bool is_history_known() const;

  // By the targets' names.
  void SetPauses(const std::vector<journal::PausedTable>& pauses);
  void SetPaused(const std::string& table, std::optional<TimestampMicros> since);
  std::set<std::string> paused() const;  // by the tables' names
  // Of the configuration's tables with that name.
  std::optional<std::string> TargetOf(const std::string& table) const;

  // False: one is under way already.
  bool QueueVerify(const std::string& table, const VerifyJob& job);
  void OnVerify(const std::string& table, const std::function<void(VerifyJob&)>& change);

  int64_t interval_micros() const;
  bool is_cycle_running() const;
  ServerNow Look() const;
  std::optional<TableNow> LookAt(const std::string& table) const;
  // For one who asks.
  StateChanges TakeChanges();

 private:
  // With mutex_ held.
  TableNow* Find(const std::string& table);
  const TableNow* Find(const std::string& table) const { return const_cast<ServerState*>(this)->Find(table); }
  void Add(PastCycle cycle);

  const Clock& clock_;
  mutable std::mutex mutex_;
  // protected by mutex_
  ServerNow now_;
  std::map<std::string, size_t> places_;
  StateChanges changes_;
};

// Passes on what a cycle reports, and keeps it. All must outlive it.
class StateReporter : public cycle::PassingReporter {
 public:
  StateReporter(cycle::CycleReporter& inner, const config::Config& config, ServerState& state)
      : PassingReporter(inner, config.tables.size()), config_(config), state_(state) {}

  void OnStarted(size_t table) override {
    state_.OnTableStarted(config_.tables[table].name);
    PassingReporter::OnStarted(table);
  }
  void OnEnded(size_t table, const cycle::TableReport& report) override {
    state_.OnTableEnded(report);
    PassingReporter::OnEnded(table, report);
  }

 private:
  void OnProgress(size_t table, const Progress& progress) override {
    state_.OnProgress(config_.tables[table].name, progress);
  }

  const config::Config& config_;
  ServerState& state_;
};

}  // namespace calve::serve
