// One cycle over the tables of a configuration: each offloaded behind what it comes after, none past its parents'
// watermarks, a failure kept to the table and its dependents.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/config/config.h"
#include "calve/offload/offload.h"
#include "calve/schedule/cycle_run.h"
#include "calve/schedule/table_graph.h"

namespace calve::cycle {

// What became of one table. `offload` where it was called and did not fail (also where a lease kept it from working).
struct TableReport {
  std::string name;
  schedule::TableResult outcome;
  std::optional<offload::OffloadResult> offload;
};

// Told by several threads, but one event at a time.
class CycleReporter {
 public:
  virtual ~CycleReporter() = default;
  // What the table tells while it is worked on; called by its thread before OnStarted, valid until the cycle ends.
  virtual offload::ProgressSink& SinkOf(size_t table) = 0;
  virtual void OnStarted(size_t table) = 0;
  // Also of tables that were not called at all.
  virtual void OnEnded(size_t table, const TableReport& report) = 0;
};

// What a cycle does to tables. Called by several threads, each with another table.
class TableWork {
 public:
  virtual ~TableWork() = default;
  // The watermark as the target's own snapshots tell it; nullopt: no such table, or nothing offloaded yet.
  virtual Result<std::optional<TimestampMicros>> Watermark(const catalog::TableIdent& target) = 0;
  virtual Result<offload::OffloadResult> Offload(const offload::OffloadRequest& request,
                                                 offload::ProgressSink& progress) = 0;
};

// Everything that a cycle touches; all borrowed. The sink of the table takes the place of a context's.
struct CycleContext {
  source::Source& source;
  catalog::Catalog& catalog;
  storage::FileIO& file_io;
  journal::Journal* journal;  // null: none
  const Clock& clock;
  const StopToken& stop;
};
std::unique_ptr<TableWork> OffloadWork(const CycleContext& context, const config::LimitsConfig& limits);

struct CycleOptions {
  std::vector<size_t> tables;  // numbers in the configuration; ascending
  // By the same numbers, where a table should be left out and why (it was put aside); those that it lacks: none.
  std::vector<std::optional<std::string>> skip;
  std::optional<TimestampMicros> until;  // windows end there, where that is earlier
  int64_t longest_micros = 0;            // a table begins no further chunk after that; 0: no limit
  bool dry_run = false;
};

struct CycleReport {
  std::vector<size_t> numbers;      // of the tables, in the configuration
  std::vector<TableReport> tables;  // as many
  TimestampMicros started = 0, finished = 0;

  size_t Count(schedule::TableState state) const;
  bool backlog() const;     // of some table
  bool progressed() const;  // some window was committed
};

// The numbers of the tables with these names; all of them where there are no names. kConfig with the nearest name.
Result<std::vector<size_t>> ChooseTables(const config::Config& config, const std::vector<std::string>& names);

// As the configuration wants it committed: RunCycle on OffloadWork, or RunAtomicCycle (atomic_cycle.h).
Result<CycleReport> RunConfiguredCycle(const config::Config& config, const CycleOptions& options,
                                       const CycleContext& context, CycleReporter& reporter);

// A table whose parents are not among options.tables goes by their watermarks as they stand.
CycleReport RunCycle(const config::Config& config, const CycleOptions& options, TableWork& work, const StopToken& stop,
                     const Clock& clock, CycleReporter& reporter);

}  // namespace calve::cycle
