// One pass over the tables of a graph: each once, behind what it comes after, several at once.
//
// - A table begins when all its parents have ended without blocking it.
// - A failed table blocks its dependents, directly or not; all others go on. So does a skipped one that says so.
// - A table that is skipped for a harmless reason (another calve works on it) blocks nobody: a dependent's window ends
// at
//   its parents' watermarks whoever moves them (DESIGN §5), so running it is right, if perhaps in vain.
// - After a stop was requested nothing begins; what runs is waited for, and is expected to look at the StopToken
// itself.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/schedule/table_graph.h"

namespace calve::schedule {

enum class TableState {
  kDone,
  kFailed,
  kSkipped,  // for `reason`; where the function was not called, `started` is empty
  kStopped,  // by the StopToken: amid its work, or (`started` is empty) before it began
};
// "done", "failed", "skipped", "stopped"
std::string_view TableStateName(TableState state);

// What the function says about its table.
struct TableOutcome {
  TableState state = TableState::kDone;
  Status status = {};       // of kFailed and kStopped
  std::string reason = {};  // of kSkipped
  bool blocks = false;      // of kSkipped: whether dependents are skipped as well

  static TableOutcome Done() { return {}; }
  // kStopped where that is the error's kind, else kFailed (also for an OK status: that would be a defect).
  static TableOutcome Failed(Status status);
  static TableOutcome Skipped(std::string reason, bool blocks);
};

struct TableResult : TableOutcome {
  // The failed or skipped table because of which this one was skipped.
  std::optional<size_t> blocked_by = {};
  std::optional<TimestampMicros> started = {}, finished = {};  // both or none, once the cycle has ended
};

// What a cycle has to know of a table beside its place in the graph.
struct CycleTable {
  int64_t memory_bytes = 0;     // what it may take while it runs
  int64_t expected_micros = 0;  // of those that may begin, the longest goes first; at a tie the first of the graph
  std::optional<std::string> skip{};  // skipped with this reason without being called, and blocks (put aside)
};

struct CycleLimits {
  size_t parallel = 1;       // tables at once; 0 counts as 1
  int64_t memory_bytes = 0;  // of all that run at once; 0: no limit. A table that asks for more than that runs alone.
};

// Called for one event at a time, by the threads of the cycle, in the order in which things happen. It should return
// soon, for the cycle waits, and must not call back into the cycle. What it throws is dropped: reporting fails no
// table.
class CycleObserver {
 public:
  virtual ~CycleObserver() = default;
  virtual void OnTableStarted(size_t table) = 0;
  // The function was called: done, failed, skipped or stopped by its own word.
  virtual void OnTableFinished(size_t table, const TableResult& result) = 0;
  // It was not called, and will not be in this cycle.
  virtual void OnTableSkipped(size_t table, const TableResult& result) = 0;
};

struct CycleResult {
  std::vector<TableResult> tables;  // by their numbers
  TimestampMicros started = 0, finished = 0;

  size_t Count(TableState state) const;
};

// Called from several threads at once, each time with another table. An exception is a failure of its table.
using TableFunction = std::function<TableOutcome(size_t table)>;

// `tables` by their numbers; those that it lacks have the defaults. `observer` may be null. The calling thread is one
// of the `limits.parallel`; all others have ended when it returns. Where threads cannot be had, fewer do the work.
//
// Tables begin strictly by CycleTable's order: while the first that may begin does not fit into the memory, no later
// one overtakes it. So a large table waits for what runs, and not for all that could run.
CycleResult RunCycle(const TableGraph& graph, const std::vector<CycleTable>& tables, const CycleLimits& limits,
                     const TableFunction& run, const StopToken& stop, const Clock& clock, CycleObserver* observer);

}  // namespace calve::schedule
