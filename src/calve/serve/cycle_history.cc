#include "calve/serve/cycle_history.h"

#include <algorithm>
#include <map>

#include "calve/serve/offload_metrics.h"

namespace calve::serve {
namespace {

using schedule::TableState;

constexpr int64_t kGapMicros = 60 * kMicrosPerSecond;  // between the runs of one cycle
constexpr int64_t kTurnMicros = 2 * kMicrosPerSecond;  // between the chunks of a table's turn

struct Growing {
  PastCycle cycle;
  std::map<std::string, std::pair<bool, TimestampMicros>> tables;  // failed?, when its last run ended
};

PastCycle Finished(Growing& growing) {
  for (const auto& [table, run] : growing.tables) (run.first ? growing.cycle.failed : growing.cycle.done) += 1;
  const PastCycle& cycle = growing.cycle;
  growing.cycle.status = cycle.failed == 0 ? "success" : cycle.done > 0 ? "partial" : "failed";
  return growing.cycle;
}

}  // namespace

PastCycle PastCycleOf(const cycle::CycleReport& report, std::string cause) {
  PastCycle past;
  past.started = report.started;
  past.finished = report.finished;
  past.cause = std::move(cause);
  past.status = CycleStatusOf(report);
  past.done = static_cast<int64_t>(report.Count(TableState::kDone));
  past.failed = static_cast<int64_t>(report.Count(TableState::kFailed));
  past.skipped = static_cast<int64_t>(report.Count(TableState::kSkipped));
  past.stopped = static_cast<int64_t>(report.Count(TableState::kStopped));
  for (const cycle::TableReport& table : report.tables) {
    if (!table.offload || table.offload->held_by) continue;
    past.rows += table.offload->rows + table.offload->late.rows;
    past.files += table.offload->files + table.offload->late.files;
    past.bytes += table.offload->bytes + table.offload->late.bytes;
  }
  return past;
}

std::vector<PastCycle> CyclesOfRuns(const std::vector<journal::RunRecord>& runs, const std::string& own_host,
                                    int64_t own_pid) {
  std::vector<const journal::RunRecord*> ended;
  for (const journal::RunRecord& run : runs) {
    if (run.finished_at && (run.host != own_host || run.pid != own_pid)) ended.push_back(&run);
  }
  std::ranges::stable_sort(ended, {}, [](const auto* run) { return run->started_at; });
  std::map<std::pair<std::string, int64_t>, Growing> growing;  // by process
  std::vector<PastCycle> cycles;
  for (const journal::RunRecord* run : ended) {
    auto [found, is_new] = growing.try_emplace({run->host, run->pid});
    Growing& now = found->second;
    const auto turn = now.tables.find(run->table);
    const bool again = turn != now.tables.end() && run->started_at > turn->second.second + kTurnMicros;
    if (!is_new && (run->started_at > now.cycle.finished + kGapMicros || again)) {
      cycles.push_back(Finished(now));
      now = {};
      is_new = true;
    }
    if (is_new) {
      now.cycle.started = run->started_at;
      now.cycle.finished = *run->finished_at;
      now.cycle.cause = "journal";
    }
    now.cycle.finished = std::max(now.cycle.finished, *run->finished_at);
    now.cycle.rows += run->rows;
    now.cycle.files += run->files;
    now.cycle.bytes += run->bytes;
    now.tables[run->table] = {run->status == "failed", *run->finished_at};
  }
  for (auto& [process, left] : growing) cycles.push_back(Finished(left));
  std::ranges::stable_sort(cycles, {}, &PastCycle::started);
  return cycles;
}

}  // namespace calve::serve
