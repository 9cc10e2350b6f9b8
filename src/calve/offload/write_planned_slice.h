// One slice of a plan into data files, by whoever has the source and the store: the second of the three steps of an
// offload past one machine. docs/slices.md.
#pragma once

#include <string>

#include "calve/offload/offload_plan.h"
#include "calve/offload/slice_lines.h"

namespace calve::offload {

// All borrowed.
struct SliceWriteContext {
  source::Source& source;
  storage::FileIO& file_io;
  const StopToken& stop;
  ProgressSink& progress;
};

struct SliceWriteOptions {
  int64_t memory_bytes = 512 << 20;  // of blocks in flight and open files together
  int attempts_max = 3;              // where the source breaks off, or changes while it is read
};

// `plan` is what stands at slice.origin.plan. May run anywhere, several times and at once: each attempt has files of
// its own. What was read is certain to be what ClickHouse counted, when it was planned or afterwards; else it is read
// again. On any error the files begun are deleted. kConflict: the plan is over. kConfig: the source is not the plan's.
Result<WrittenLine> WritePlannedSlice(const SliceWriteContext& context, const OffloadPlan& plan, const SliceLine& slice,
                                      const SliceWriteOptions& options);

}  // namespace calve::offload
