// What `calve plan` prints, `calve write-slice` reads and prints, and `calve commit` reads: a JSON object a line.
// docs/slices.md. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/iceberg/data_file_json.h"
#include "calve/offload/slice_range.h"
#include "calve/table/sliced_job.h"

namespace calve::offload {

// The jobs that go by slices; a line names its own.
inline constexpr const char* kOffloadJob = "offload";

using LineOrigin = table::SliceOrigin;

struct SliceLine {
  LineOrigin origin;
  int64_t of = 1;  // slices of the plan
  SliceRange range;
};

struct WrittenLine {
  LineOrigin origin;
  std::string attempt;  // a UUID
  int64_t rows = 0;
  uint64_t fingerprint = 0;
  // False: rows came since the plan. ClickHouse was asked again after reading, and told what was read.
  bool as_planned = true;
  std::optional<int64_t> max_sequence;
  int64_t bytes_read = 0;  // off the wire
  double seconds = 0;
  std::vector<iceberg::DataFile> files;
};

std::string WriteSliceLine(const SliceLine& line);
// kFailed as WriteDataFile's.
Result<std::string> WriteWrittenLine(const WrittenLine& line, const iceberg::PartitionTypes& types);

// kCorrupt with the path of the offending member, or where the text is no JSON object.
Result<LineOrigin> ReadLineOrigin(std::string_view line);
Result<SliceLine> ReadSliceLine(std::string_view line);
Result<WrittenLine> ReadWrittenLine(std::string_view line, const iceberg::PartitionTypes& types);

}  // namespace calve::offload
