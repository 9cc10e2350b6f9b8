// The reading path: a slice of a window from ClickHouse into data files. Needs the source and the store only; the
// commit takes the result (docs/architecture.md, "Slices").
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/offload/block_reader.h"
#include "calve/offload/progress.h"
#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

struct SlicePlan {
  // SELECTs of all columns of the target's that the source has; together the window's rows, in no particular order
  // where there are several.
  std::vector<ReadQuery> queries;
  int64_t readers = 1;  // so many queries at once
  Window window;
  std::string cursor_column;    // in the result; every row is checked to lie in the window. Empty: it was left out
  std::string sequence_column;  // empty: none
  // Sum up what was read (slice_fingerprint.h): the cursor, and this column unless it is empty.
  std::optional<std::string> fingerprint_sequence;
  datafile::WriteContext write;
  datafile::WriterOptions writer;
  int64_t queue_bytes_max = 128 << 20;  // decoded blocks waiting for the encoder
};

// Where a slice's time went. Reading, encoding and the store work side by side, and several threads read: they do not
// add up to the time that the slice took.
struct SliceSeconds {
  double read = 0, decode = 0, held = 0;  // ReadTimes
  double starved = 0;                     // the encoder waited for blocks: the source is slower
  double encode = 0;                      // casting, encoding, compressing
  double upload = 0;                      // the store was waited for, by all threads together

  void Add(const SliceSeconds& more);
};

struct SliceResult {
  std::vector<iceberg::DataFile> files;
  int64_t rows = 0;
  int64_t bytes_read = 0;  // off the wire
  std::optional<int64_t> max_sequence;
  uint64_t fingerprint = 0;  // where it was asked for
  SliceSeconds seconds;

  // What was written of other rows.
  void Add(SliceResult&& more);
};

// Called on the writing thread after each block: rows, bytes read, bytes written so far.
using SliceProgress = std::function<void(int64_t rows, int64_t bytes_read, int64_t bytes_written)>;

// Reads and decodes in `readers` threads, casts and encodes in others. On any error the files begun are deleted.
// `source`, `file_io` and `stop` are borrowed.
Result<SliceResult> WriteSlice(source::Source& source, storage::FileIO& file_io, const SlicePlan& plan,
                               const StopToken& stop, const SliceProgress& progress);

}  // namespace calve::offload
