// What an offload tells the journal: its runs, and the row of offload_watermarks that dashboards look at. The journal
// is a log: that it cannot be written is worth a note, never a failed offload.
#pragma once

#include <optional>
#include <string>

#include "calve/base/time.h"
#include "calve/journal/journal.h"
#include "calve/offload/offload.h"
#include "calve/offload/offload_plan.h"
#include "calve/offload/watermark.h"
#include "calve/offload/window.h"
#include "calve/source/introspection.h"

namespace calve::offload {

struct LoggedRun {
  std::string run_id;  // the commit's, too
  std::string source;  // "db.table"
  Window window;
  TimestampMicros started_at = 0;
  // The window begins where the Spark job's row says: until the window is in, the row must say so to the next run.
  bool adopts_row = false;
};

// Whose runs they are.
struct RunSubject {
  std::string target;      // "ns.table"
  std::string table_name;  // in offload_watermarks
  std::string layer;
};
RunSubject RunSubjectOf(const OffloadRequest& request);
RunSubject RunSubjectOf(const OffloadPlan& plan);
// From when the plan was made on.
LoggedRun LoggedRunOf(const OffloadPlan& plan);

// `journal` and `clock` must outlive it. Without a journal nothing happens. An error is that of the journal.
class RunLog {
 public:
  RunLog(journal::Journal* journal, const Clock& clock, RunSubject subject)
      : journal_(journal), clock_(clock), subject_(std::move(subject)) {}

  Status Start(const LoggedRun& run);
  // `done`: false where another calve was faster. `max_sequence`: of the window's rows.
  Status Finish(const LoggedRun& run, const Result<bool>& done, const OffloadResult& result,
                std::optional<int64_t> max_sequence);
  // An offload that ended with an error outside of a run: its source is away, its plan does not fit.
  Status Fail(const Status& error);
  // There is nothing to do: the row says what the table says, also after a run that died or a journal that was lost.
  Status Mirror(const CommitStamp& watermark);

 private:
  journal::RunRecord RecordOf(const LoggedRun& run, const std::string& status) const;

  journal::Journal* const journal_;
  const Clock& clock_;
  const RunSubject subject_;
};

}  // namespace calve::offload
