// The loop of `calve serve`: waits, runs cycles one after another, reloads between them, stops. It decides nothing
// itself: cycle_schedule.h does. While it waits, idle work may go on: it is asked to end when a cycle is due, and the
// cycle begins when it has, or beside it after a while.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "calve/base/stop.h"
#include "calve/schedule/cycle_schedule.h"
#include "calve/schedule/idle_work.h"
#include "calve/schedule/waiter.h"

namespace calve::schedule {

struct ServeOptions {
  std::optional<TimestampMicros> last_cycle = {};                    // see CycleSchedule
  bool once = false;                                                 // one cycle now, its backlog after it, and the end
  int64_t stop_limit_micros = 25 * kMicrosPerSecond;                 // less than Kubernetes' 30 s until SIGKILL
  RetryPolicy retry{.wait_min_ms = 15'000, .wait_max_ms = 900'000};  // of cycles that fail as a whole
  IdleWork* idle = nullptr;                                          // borrowed; none with `once`
  int64_t give_way_micros = 10 * kMicrosPerSecond;                   // so long a cycle waits for idle work to end
};

// Called by the thread of Run, between its steps.
class ServeObserver {
 public:
  virtual ~ServeObserver() = default;
  virtual void OnWaiting(const DueCycle& next) = 0;
  virtual void OnCycleStarted(const DueCycle& cycle) = 0;
  virtual void OnCycleFinished(const DueCycle& cycle, const Result<CycleReport>& report) = 0;
  virtual void OnReloaded(const Cadence& cadence) = 0;
  // What was in force still is.
  virtual void OnReloadFailed(const Status& status) = 0;
  // A stop was requested; a cycle that runs has until `limit` (nullopt: none runs).
  virtual void OnStopping(std::optional<TimestampMicros> limit) = 0;
};

enum class ServeEnd {
  kStopped,     // by the StopToken; the cycle that ran, if any, has ended
  kOnceDone,    // ServeOptions::once
  kDidNotStop,  // the cycle, or idle work, still runs: the process must be ended hard, for ~ServeLoop waits for it
};

struct ServeOutcome {
  ServeEnd end = ServeEnd::kStopped;
  Status last_cycle;  // OK, or how the last cycle that ended failed as a whole
};

// Runs one cycle, on a thread of its own. It looks at the StopToken. An exception is a failure of the cycle.
using CycleFunction = std::function<Result<CycleReport>(const DueCycle& cycle)>;
// Between cycles: takes over the new configuration as a whole, or leaves the old one in force and says why.
using ReloadFunction = std::function<Result<Cadence>()>;

class ServeLoop {
 public:
  // Everything borrowed must outlive it. It listens to `stop` (one listener at a time): a stop ends the wait, a wish to
  // reload (SIGHUP) becomes RequestReload.
  ServeLoop(Cadence cadence, ServeOptions options, CycleFunction cycle, ReloadFunction reload, StopToken& stop,
            const Clock& clock, Waiter& waiter, ServeObserver& observer);
  // Waits for a cycle that still runs.
  ~ServeLoop();
  ServeLoop(const ServeLoop&) = delete;
  ServeLoop& operator=(const ServeLoop&) = delete;

  // Called once.
  ServeOutcome Run();

  // From any thread. A request amid a cycle is taken up when that has ended; several count as one.
  void RequestRun();
  void RequestReload();

 private:
  void TakeRequests();
  void Reload();
  // False where a stop was requested and the cycle did not end within the limit.
  bool RunCycleOf(const DueCycle& due);
  void StartCycle(const DueCycle& due);
  Result<CycleReport> CallCycle(const DueCycle& due) const;
  bool WaitForCycle();
  bool cycle_ended();

  CycleSchedule schedule_;
  const ServeOptions options_;
  const CycleFunction cycle_;
  const ReloadFunction reload_;
  StopToken& stop_;
  const Clock& clock_;
  Waiter& waiter_;
  ServeObserver& observer_;
  Status last_cycle_;
  bool told_of_stop_ = false;

  std::mutex mutex_;
  // protected by mutex_
  bool run_requested_ = false;
  bool reload_requested_ = false;
  std::optional<Result<CycleReport>> report_;  // of the cycle that has ended

  StopListener listener_;
  IdleThread idle_;
  std::jthread running_;  // last: joined before what it uses goes away
};

}  // namespace calve::schedule
