// One window of one table, in one commit: plan, write, commit, and the look behind the watermark.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/offload.h"

namespace calve::offload {

// What the chunks before have done.
struct ChunksDone {
  int64_t rows = 0;
  int64_t rows_expected = 0;  // of all chunks
  int64_t bytes_read = 0, bytes = 0;
  double seconds = 0;
  std::vector<std::string> notes;
  int64_t chunks = 1, chunks_done = 0;
};

struct WindowOutcome {
  OffloadResult result;
  // Where the chunks end that are still to come; nothing where the window was done as a whole.
  std::vector<TimestampMicros> further_ends;
};

// Errors as OffloadTable's. `before` is of the chunks that the same load has committed.
Result<WindowOutcome> OffloadWindow(const OffloadContext& context, const OffloadRequest& request,
                                    const ChunksDone& before);

}  // namespace calve::offload
