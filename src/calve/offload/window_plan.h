// What an offload knows before anything is written: the source, the target, the window and its rows.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "calve/offload/late.h"
#include "calve/offload/offload.h"
#include "calve/offload/offload_plan.h"
#include "calve/offload/target.h"
#include "calve/offload/watermark.h"

namespace calve::offload {

struct WindowPlan {
  source::ServerInfo server;
  source::SourceTable table;
  Cursor cursor;
  RowIdentity identity;
  Target target;
  std::optional<TimestampMicros> table_watermark;  // as the target's snapshots tell it
  std::optional<CommitStamp> stamp;                // that it is of
  bool adopts_row = false;                         // the window begins where the Spark job's row says
  Window window;
  std::vector<SliceRange> slices;  // of the window; a query for each
  // Of a cluster: the servers that hold all of the window, by shard (holding_replicas.h). Null: one server.
  std::shared_ptr<const source::ShardServers> replicas;
  int64_t rows_expected = 0;       // counted
  int64_t rows_null_cursor = 0;    // that no window will ever hold
  int64_t rows_future_cursor = 0;  // beyond the server's clock
  // As of before the rows are read: what comes later is told from what was there. nullopt: late rows are not looked
  // for.
  std::optional<LateLook> late;
};

// For people; what is worth a note and no failure.
using TakeNote = std::function<void(std::string)>;

// Reads only. The window may be empty. Errors as OffloadTable's. `slices` is left empty.
Result<WindowPlan> PlanOffload(const OffloadContext& context, const OffloadRequest& request, const TakeNote& note);

// Whether a key may be at several times, or rows are sorted over all of the window: then it is one slice.
bool IsOneSlice(const OffloadRequest& request, const WindowPlan& plan);

// The cursor as the result calls it; empty where it is left out, or not selected as it stands.
std::string CursorInResult(const WindowPlan& plan);

// The sequence column where fingerprints can be made of it (slice_fingerprint.h): its numbers are whole, and are
// selected as they stand. Empty: it is none.
std::string FingerprintSequence(const OffloadRequest& request, const WindowPlan& plan);

// What slices and commit need of the plan, once the target is there (PrepareTarget). Pure. Slices, rows and fingerprint
// are those of `plan`.
OffloadPlan FreezePlan(const OffloadRequest& request, const WindowPlan& plan, const std::string& commit_id);

// How a slice's rows are selected, also while the target is still to be made.
SliceSelect SelectOf(const OffloadRequest& request, const WindowPlan& plan);

}  // namespace calve::offload
