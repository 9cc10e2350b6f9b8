// What passes between the planning, the comparing and the summing up of a verification by slices: values, and their
// JSON. docs/slices.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calve/offload/planned_source.h"
#include "calve/offload/verify_plan.h"
#include "calve/offload/verify_range.h"
#include "calve/table/scan_task_json.h"
#include "calve/table/sliced_job.h"

namespace calve::offload {

inline constexpr const char* kVerifyJob = "verify";

// What all slices have in common. Frozen when it is planned: hot is compared with one snapshot, up to one watermark.
struct VerifyHeader {
  std::string id;  // of the plan: a UUID
  TimestampMicros made_at = 0;
  int64_t slices = 0;
  catalog::TableIdent target;
  int64_t planned_sequence_number = 0;
  std::string asked;  // what was asked for, as text: who asks for the same may go on with it
  // Of the request, what comparing goes by.
  int64_t bucket_micros = 0, example_rows = 0;
  bool strict = false;
  std::map<std::string, std::string> settings;
  // Without source table, columns, ranges and tasks, and without the table's history.
  VerifyPlan plan;
  source::TableIdentity identity;  // of the source table
  VerifyResult result;             // as far as it is known before anything is compared

  VerifyRequest request() const;
};

std::string WriteVerifyHeader(const VerifyHeader& header);
Result<VerifyHeader> ParseVerifyHeader(std::string_view json);

struct VerifySlice {
  table::SliceOrigin origin;
  int64_t of = 0;
  int64_t rows = 0;  // of both sides, about
  std::vector<Window> ranges;
  std::vector<table::ScanTask> tasks;  // the files of cold that may hold rows of the ranges
};

// One line, without its end. `types` are those of the header's table.
Result<std::string> WriteVerifySlice(const VerifySlice& slice, const iceberg::PartitionTypes& types);
Result<VerifySlice> ParseVerifySlice(std::string_view line, const iceberg::PartitionTypes& types);

struct VerifiedSlice {
  table::SliceOrigin origin;
  std::string attempt;  // a UUID
  ComparedRange compared;
  double seconds = 0;  // for who reads the line: it is not read back
};

std::string WriteVerifiedSlice(const VerifiedSlice& slice);
Result<VerifiedSlice> ParseVerifiedSlice(std::string_view line);

// Examples go where what was found takes more than a line of text should: counts stay, and a note tells.
inline constexpr size_t kVerifiedLineMax = 16 << 20;
void BoundExamples(size_t bytes_max, ComparedRange& compared);

// All slices of the plan, each once, as one result. kConfig names what is missing, there twice or of another plan.
Result<VerifyResult> SumVerified(const VerifyHeader& header, std::vector<VerifiedSlice> slices);

}  // namespace calve::offload
