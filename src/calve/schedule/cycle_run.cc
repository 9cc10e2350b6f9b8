#include "calve/schedule/cycle_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace calve::schedule {
namespace {

class Run {
 public:
  Run(const TableGraph& graph, const std::vector<CycleTable>& tables, const CycleLimits& limits,
      const TableFunction& function, const StopToken& stop, const Clock& clock, CycleObserver* observer)
      : graph_(graph),
        tables_(tables),
        limits_(limits),
        function_(function),
        stop_(stop),
        clock_(clock),
        observer_(observer),
        places_(graph.size(), Place::kWaiting),
        parents_open_(graph.size()),
        waiting_(graph.size()) {
    tables_.resize(graph.size());
    result_.tables.resize(graph.size());
    for (size_t table = 0; table < graph.size(); ++table) parents_open_[table] = graph.parents(table).size();
  }

  CycleResult Execute() {
    result_.started = clock_.Now();
    SkipPutAside();
    {
      std::vector<std::jthread> others;
      size_t threads = std::min(std::max<size_t>(limits_.parallel, 1), waiting_);
      try {
        while (others.size() + 1 < threads) others.emplace_back([this] { Work(); });
      } catch (const std::system_error&) {
        // No more threads to be had: those that are there do the work.
      }
      Work();
    }
    result_.finished = clock_.Now();
    return std::move(result_);
  }

 private:
  enum class Place { kWaiting, kRunning, kEnded };

  void SkipPutAside() {
    std::lock_guard lock(mutex_);
    if (stop_.stopped()) return;  // then that is the reason
    // All of them before what comes after them: each has its own reason.
    for (size_t table : graph_.order()) {
      if (tables_[table].skip) EndUncalled(table, TableOutcome::Skipped(*tables_[table].skip, true), std::nullopt);
    }
    for (size_t table : graph_.order()) {
      if (tables_[table].skip) Block(table);
    }
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (stop_.stopped()) StopWaiting();
      if (waiting_ == 0) return;
      std::optional<size_t> table = Choose();
      if (!table) {
        // Something runs: without that the first table that may begin fits, and in a graph without cycles there is one.
        changed_.wait(lock);
        continue;
      }
      Begin(*table);
      lock.unlock();
      TableOutcome outcome = Call(*table);
      lock.lock();
      End(*table, std::move(outcome));
      changed_.notify_all();
    }
  }

  // The rest with mutex_ held, but for Call.

  std::optional<size_t> Choose() const {
    std::optional<size_t> best;
    for (size_t table = 0; table < graph_.size(); ++table) {
      if (places_[table] != Place::kWaiting || parents_open_[table] > 0) continue;
      if (!best || tables_[table].expected_micros > tables_[*best].expected_micros) best = table;
    }
    return best && Fits(*best) ? best : std::nullopt;
  }

  int64_t MemoryOf(size_t table) const { return std::max<int64_t>(tables_[table].memory_bytes, 0); }

  bool Fits(size_t table) const {
    return running_ == 0 || limits_.memory_bytes <= 0 || MemoryOf(table) <= limits_.memory_bytes - memory_used_;
  }

  void Begin(size_t table) {
    places_[table] = Place::kRunning;
    --waiting_;
    ++running_;
    memory_used_ += limits_.memory_bytes > 0 ? MemoryOf(table) : 0;
    result_.tables[table].started = clock_.Now();
    Tell([&] { observer_->OnTableStarted(table); });
  }

  TableOutcome Call(size_t table) const {
    try {
      return function_(table);
    } catch (const std::exception& error) {
      return TableOutcome::Failed(
          MakeError(ErrorKind::kFailed, fmt::format("table '{}': {}", graph_.name(table), error.what())));
    } catch (...) {
      return TableOutcome::Failed(
          MakeError(ErrorKind::kFailed, fmt::format("table '{}': an unknown exception", graph_.name(table))));
    }
  }

  void End(size_t table, TableOutcome outcome) {
    if (outcome.state == TableState::kFailed) outcome = TableOutcome::Failed(std::move(outcome.status));
    places_[table] = Place::kEnded;
    --running_;
    memory_used_ -= limits_.memory_bytes > 0 ? MemoryOf(table) : 0;
    TableResult& result = result_.tables[table];
    static_cast<TableOutcome&>(result) = std::move(outcome);
    result.finished = clock_.Now();
    Tell([&] { observer_->OnTableFinished(table, result); });
    if (result.state == TableState::kDone || (result.state == TableState::kSkipped && !result.blocks)) {
      for (size_t child : graph_.children(table)) --parents_open_[child];
    } else {
      // A table that was stopped has been so by the same request as those that still wait.
      if (result.state == TableState::kStopped && stop_.stopped()) StopWaiting();
      Block(table);
    }
  }

  void Block(size_t table) {
    const TableResult& why = result_.tables[table];
    std::string reason = fmt::format("it comes after {}, which {}", graph_.name(table),
                                     why.state == TableState::kFailed    ? "failed"
                                     : why.state == TableState::kStopped ? "was stopped"
                                                                         : "was skipped: " + why.reason);
    for (size_t dependent : graph_.Dependents(table)) {
      if (places_[dependent] != Place::kWaiting) continue;
      EndUncalled(dependent, TableOutcome::Skipped(reason, true), table);
    }
  }

  void StopWaiting() {
    for (size_t table : graph_.order()) {
      if (places_[table] != Place::kWaiting) continue;
      EndUncalled(table, TableOutcome::Failed(stop_.Check()), std::nullopt);
    }
    changed_.notify_all();
  }

  void EndUncalled(size_t table, TableOutcome outcome, std::optional<size_t> blocked_by) {
    places_[table] = Place::kEnded;
    --waiting_;
    TableResult& result = result_.tables[table];
    static_cast<TableOutcome&>(result) = std::move(outcome);
    result.blocked_by = blocked_by;
    Tell([&] { observer_->OnTableSkipped(table, result); });
  }

  template <typename Telling>
  void Tell(Telling telling) {
    if (!observer_) return;
    try {
      telling();
    } catch (...) {
      // As the header says: reporting fails no table.
    }
  }

  const TableGraph& graph_;
  std::vector<CycleTable> tables_;
  const CycleLimits limits_;
  const TableFunction& function_;
  const StopToken& stop_;
  const Clock& clock_;
  CycleObserver* const observer_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // protected by mutex_
  CycleResult result_;
  std::vector<Place> places_;
  std::vector<size_t> parents_open_;  // of each table: parents that have not ended well yet
  size_t waiting_, running_ = 0;      // numbers of tables
  int64_t memory_used_ = 0;           // by those that run
};

}  // namespace

TableOutcome TableOutcome::Failed(Status status) {
  TableOutcome outcome;
  if (status.ok()) status = MakeError(ErrorKind::kFailed, "failed, and nobody said why");
  outcome.state = KindOf(status) == ErrorKind::kStopped ? TableState::kStopped : TableState::kFailed;
  outcome.status = std::move(status);
  return outcome;
}

TableOutcome TableOutcome::Skipped(std::string reason, bool blocks) {
  TableOutcome outcome;
  outcome.state = TableState::kSkipped;
  outcome.reason = std::move(reason);
  outcome.blocks = blocks;
  return outcome;
}

std::string_view TableStateName(TableState state) {
  switch (state) {
    case TableState::kDone:
      return "done";
    case TableState::kFailed:
      return "failed";
    case TableState::kSkipped:
      return "skipped";
    case TableState::kStopped:
      return "stopped";
  }
  return "";
}

size_t CycleResult::Count(TableState state) const {
  return static_cast<size_t>(
      std::count_if(tables.begin(), tables.end(), [&](const auto& t) { return t.state == state; }));
}

CycleResult RunCycle(const TableGraph& graph, const std::vector<CycleTable>& tables, const CycleLimits& limits,
                     const TableFunction& run, const StopToken& stop, const Clock& clock, CycleObserver* observer) {
  return Run(graph, tables, limits, run, stop, clock, observer).Execute();
}

}  // namespace calve::schedule
