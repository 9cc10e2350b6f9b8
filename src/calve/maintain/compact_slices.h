// Compaction by slices: planned here, rewritten anywhere, committed here. Planning and committing take the catalog;
// rewriting takes the store alone. docs/maintain.md.
#pragma once

#include <string>
#include <vector>

#include "calve/maintain/compact_slice.h"

namespace calve::maintain {

struct CompactSlicesRequest {
  CompactionRequest compact;  // its dry_run is of no meaning
  // Groups are joined to slices of at least so much.
  int64_t slice_bytes = 256 << 20;
  int64_t slices = 0;   // about so many, of what is to be compacted; 0: by slice_bytes
  bool resume = false;  // where a plan of the table is open and its snapshot is still there: its lines again
  // Whoever made a plan is taken to be at work on it for so long; then it is given up.
  int64_t lease_micros = 6 * 3600 * kMicrosPerSecond;
};

struct PlannedCompaction {
  std::string location;            // of the header; empty: nothing is worth compacting
  std::vector<std::string> lines;  // of the slices
  CompactionReport report;         // of what was found; its groups are in the lines
  int64_t rows = 0;
  bool resumed = false;
  std::optional<TimestampMicros> held_since;  // another plan is being carried out: nothing was planned
  std::vector<std::string> notes;             // of plans that were ended
};
// Writes the plan beside the table. Open plans that are committed, stale or nobody's are ended first, with their files.
Result<PlannedCompaction> PlanCompactSlices(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                            const StopToken& stop, const CompactSlicesRequest& request);

// Gives all open plans of the table up, with their files. How many.
Result<int64_t> AbandonCompactPlans(catalog::Catalog& catalog, storage::FileIO& file_io,
                                    const catalog::TableIdent& ident);

// Rewrites the groups of a line; the line that becomes of it. Where it fails, or the plan was ended meanwhile, nothing
// of it is left.
Result<std::string> CompactOneSlice(storage::FileIO& file_io, const StopToken& stop, const std::string& line,
                                    int64_t memory_bytes, ProgressSink* progress);

// Puts all slices' groups into the table, in one snapshot whose commit id is the plan's; a plan that is in it already
// is done. Groups whose files others changed meanwhile stay as they are. Ends the plan and sweeps its folder, also
// where it refuses the lines, unless they are to be kept. With all other errors the plan stays open: the same call goes
// on with it.
struct CommittedCompaction {
  catalog::TableIdent ident;
  CompactionReport report;
  bool was_done = false;        // by an earlier call
  int64_t files_swept = 0;      // of attempts that nobody needs
  TimestampMicros made_at = 0;  // 0: the plan is over
};
struct CompactLines {
  std::vector<std::string> lines;
  std::string plan = "";  // location; empty: as the lines say
  bool keep = false;
};
Result<CommittedCompaction> CommitCompactSlices(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                                const CompactLines& lines, const table::Sleep& sleep = table::SleepFor);

}  // namespace calve::maintain
