// What jobs that go by slices have in common, beside the places of their plans (plan_store.h). docs/slices.md.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/time.h"
#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/json_writer.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::table {

// What every line says: which slice of which plan it is of.
struct SliceOrigin {
  std::string plan;    // the location of its file
  std::string target;  // "ns.table"
  std::string job;
  int64_t slice = 0;
};
void WriteSliceOrigin(const SliceOrigin& origin, iceberg::JsonWriter& writer);
// Of any job. kCorrupt with the path of the offending member.
Result<SliceOrigin> ReadSliceOrigin(const iceberg::JsonNode& line);
// kCorrupt where it is of another job.
Result<SliceOrigin> ReadSliceOrigin(const iceberg::JsonNode& line, std::string_view job);
Result<SliceOrigin> ReadSliceOrigin(std::string_view line, std::string_view job);

// Of the first line that reads; where none does, of the plan's location alone, if that is given, else the first error.
Result<SliceOrigin> OriginOf(const std::vector<std::string>& lines, const std::string& plan, std::string_view job);

// OK where each of the plan's `of` slices is there once, and none of another plan. Else kConfig names the first few.
Status CheckEachSliceOnce(const std::string& plan_id, int64_t of, const std::vector<SliceOrigin>& slices);

struct OpenJob {
  std::string location;  // of the plan
  std::string text;      // its header
  TimestampMicros made_at = 0;
};
// The open plans of one job at a table, the newest first.
Result<std::vector<OpenJob>> OpenPlansOf(storage::FileIO& file_io, const std::string& table_location,
                                         std::string_view job);
// The lines of an open plan.
Result<std::vector<std::string>> ReadLinesOf(storage::FileIO& file_io, const std::string& plan_location);

// Into an open object; three decimals.
void WriteSeconds(double seconds, iceberg::JsonWriter& writer);
void WriteTexts(std::string_view name, const std::vector<std::string>& texts, iceberg::JsonWriter& writer);
Result<std::vector<std::string>> ReadTexts(const iceberg::JsonNode& node, std::string_view name);

// What a plan holds of a table: schemas, specs, orders and properties, without its snapshots.
iceberg::TableMetadata WithoutHistory(const iceberg::TableMetadata& metadata);
// "<location>/data", or what write.data.path says.
std::string DataLocationOf(const iceberg::TableMetadata& metadata);

// The files of the plan's data folder that a snapshot of the table holds, as BelowPlan names them. Only snapshots that
// came after the one planned on can hold any.
Result<std::set<std::string>> CommittedFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                             const std::string& plan_id, int64_t planned_sequence_number);

}  // namespace calve::table
