#include "calve/maintain/table_statistics.h"

#include <fmt/format.h>

#include <cmath>

#include "calve/base/random.h"
#include "calve/datafile/data_file_reader.h"
#include "calve/iceberg/puffin.h"
#include "calve/iceberg/statistics_json.h"
#include "calve/maintain/column_sketch.h"
#include "calve/storage/location.h"
#include "calve/table/scan.h"

namespace calve::maintain {
namespace {

using catalog::LoadedTable;
using iceberg::TableMetadata;

class Statistician {
 public:
  Statistician(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const StopToken& stop,
               const StatisticsRequest& request, const table::Sleep& sleep)
      : catalog_(catalog), file_io_(file_io), clock_(clock), stop_(stop), request_(request), sleep_(sleep) {}

  Result<StatisticsReport> Run() {
    ARROW_ASSIGN_OR_RAISE(const LoadedTable table, catalog_.LoadTable(request_.ident));
    const TableMetadata& metadata = table.metadata;
    if (metadata.format_version > 2) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("calve does not change tables of format version {}", metadata.format_version),
                       "Have the engine that writes it compute the statistics.");
    }
    report_.snapshot_id = metadata.current_snapshot_id;
    if (!report_.snapshot_id) return std::move(report_);
    ARROW_ASSIGN_OR_RAISE(report_.present, iceberg::HasStatistics(metadata.extra_json, *report_.snapshot_id));
    if (report_.present) return std::move(report_);
    ARROW_RETURN_NOT_OK(Read(metadata));
    Describe(*metadata.CurrentSnapshot());
    if (request_.dry_run || blobs_.empty()) return std::move(report_);
    ARROW_RETURN_NOT_OK(Write(metadata));
    return std::move(report_);
  }

 private:
  Status Read(const TableMetadata& metadata) {
    for (const iceberg::NestedField& field : metadata.schema().fields) {
      if (CanSketch(field.type)) columns_.fields.push_back(field);
    }
    sketches_.resize(columns_.fields.size());
    if (columns_.fields.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto tasks,
                          table::PlanScan(file_io_, metadata, *metadata.current_snapshot_id, std::nullopt));
    for (const table::ScanTask& task : tasks) ARROW_RETURN_NOT_OK(ReadFile(metadata, task));
    return Status::OK();
  }

  Status ReadFile(const TableMetadata& metadata, const table::ScanTask& task) {
    datafile::ReadRequest request;
    request.schema = columns_;
    request.table_schema = metadata.schema();
    request.deletes = task.deletes;
    // Only deleted rows may have had a value that is in the dictionary.
    request.dictionaries = task.deletes.empty();
    ARROW_ASSIGN_OR_RAISE(const auto reader, datafile::DataFileReader::Open(file_io_, task.file, std::move(request)));
    while (true) {
      ARROW_RETURN_NOT_OK(stop_.Check());
      ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
      if (!batch) return Status::OK();
      report_.rows += batch->num_rows();
      for (int i = 0; i < batch->num_columns(); ++i) {
        ARROW_RETURN_NOT_OK(sketches_[static_cast<size_t>(i)].Add(batch->column(i)));
      }
    }
  }

  void Describe(const iceberg::Snapshot& snapshot) {
    for (size_t i = 0; i < sketches_.size(); ++i) {
      ThetaSketch& sketch = sketches_[i].sketch();
      const int64_t distinct = std::llround(sketch.Estimate());
      report_.columns.push_back({columns_.fields[i].name, distinct});
      blobs_.push_back({"apache-datasketches-theta-v1",
                        {columns_.fields[i].id},
                        snapshot.snapshot_id,
                        snapshot.sequence_number,
                        {{"ndv", std::to_string(distinct)}},
                        sketch.Compact()});
    }
  }

  Status Write(const TableMetadata& metadata) {
    const iceberg::PuffinFile file = iceberg::WritePuffin(blobs_, "calve " CALVE_VERSION);
    const std::string folder =
        metadata.Property("write.metadata.path", storage::JoinLocation(metadata.location, "metadata"));
    report_.location = storage::JoinLocation(folder, fmt::format("{}-{}.stats", *report_.snapshot_id, RandomUuid()));
    report_.bytes = static_cast<int64_t>(file.bytes.size());
    ARROW_RETURN_NOT_OK(file_io_.WriteNew(report_.location, file.bytes));
    const Status committed =
        Commit(metadata,
               {*report_.snapshot_id, iceberg::StatisticsEntry(*report_.snapshot_id, report_.location, file, blobs_)});
    if (!committed.ok() && KindOf(committed) != ErrorKind::kUnknownOutcome) {
      const Status deleted = file_io_.Delete(report_.location);
      static_cast<void>(deleted);  // leftovers are found by orphan removal
    }
    return committed;
  }

  Status Commit(const TableMetadata& planned, const iceberg::SetStatistics& update) {
    const TimestampMicros began = clock_.Now();
    ARROW_ASSIGN_OR_RAISE(const RetryPolicy policy, table::CommitRetryPolicyOf(planned));
    std::vector<iceberg::TableRequirement> requirements;
    if (!planned.table_uuid.empty()) requirements.push_back(iceberg::AssertTableUuid{planned.table_uuid});
    Status last;
    for (int attempt = 1; attempt == 1 || policy.MayTry(attempt, (clock_.Now() - began) / 1000); ++attempt) {
      if (attempt > 1) {
        ARROW_RETURN_NOT_OK(sleep_(policy.WaitMs(attempt, RandomUnit())));
        // A conflict may be another commit; the snapshot that is gone will not come back.
        ARROW_ASSIGN_OR_RAISE(const LoadedTable table, catalog_.LoadTable(request_.ident));
        if (table.metadata.FindSnapshot(update.snapshot_id) == nullptr) break;
      }
      last = catalog_.CommitTable(request_.ident, requirements, std::vector<iceberg::TableUpdate>{update}).status();
      if (last.ok() || (KindOf(last) == ErrorKind::kUnknownOutcome && IsIn())) return Status::OK();
      if (KindOf(last) != ErrorKind::kConflict && KindOf(last) != ErrorKind::kRetry) break;
    }
    return WithContext(last, "setting the statistics of " + request_.ident.ToString());
  }

  bool IsIn() {
    const auto table = catalog_.LoadTable(request_.ident);
    if (!table.ok()) return false;
    const auto files = iceberg::StatisticsFiles(table->metadata.extra_json);
    return files.ok() && std::ranges::find(*files, report_.location) != files->end();
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const StopToken& stop_;
  const StatisticsRequest& request_;
  const table::Sleep& sleep_;
  iceberg::Schema columns_;  // that get a sketch
  std::vector<ColumnSketch> sketches_;
  std::vector<iceberg::PuffinBlob> blobs_;
  StatisticsReport report_;
};

}  // namespace

Result<StatisticsReport> ComputeStatistics(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                           const StopToken& stop, const StatisticsRequest& request,
                                           const table::Sleep& sleep) {
  return Statistician(catalog, file_io, clock, stop, request, sleep).Run();
}

}  // namespace calve::maintain
