#include "calve/offload/verify_slices.h"

#include <fmt/ranges.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/base/random.h"
#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/literal.h"
#include "calve/offload/bucket_counts.h"
#include "calve/table/plan_store.h"
#include "calve/table/scan_pruning.h"

namespace calve::offload {
namespace {

using iceberg::TypeId;

// For reading: of the metrics only what says which times a file holds.
iceberg::DataFile BareFile(const iceberg::DataFile& file, int cursor_id) {
  iceberg::DataFile bare = file;
  bare.column_sizes.clear();
  bare.value_counts.clear();
  bare.null_value_counts.clear();
  bare.nan_value_counts.clear();
  if (file.content == iceberg::FileContent::kPositionDeletes) return bare;  // its bounds are of paths
  std::erase_if(bare.lower_bounds, [&](const auto& bound) { return bound.first != cursor_id; });
  std::erase_if(bare.upper_bounds, [&](const auto& bound) { return bound.first != cursor_id; });
  return bare;
}

std::optional<TimestampMicros> BoundOf(const std::map<int, std::string>& bounds, const iceberg::NestedField& cursor) {
  const auto bound = bounds.find(cursor.id);
  if (bound == bounds.end()) return std::nullopt;
  const auto value = iceberg::FromBytes(cursor.type, bound->second);
  if (!value.ok() || !std::holds_alternative<int64_t>(*value)) return std::nullopt;
  const int64_t time = std::get<int64_t>(*value);
  const bool nanos = cursor.type.id == TypeId::kTimestampNs || cursor.type.id == TypeId::kTimestampTzNs;
  return nanos ? time / 1000 : time;
}

// Range and sample as they were asked for, not as the watermark cuts them; and the SELECT, which says the rest.
std::string AskedFor(const VerifyRequest& request, const VerifyPlan& plan) {
  const auto time = [](const auto& micros) { return micros ? FormatTimestamp(*micros) : std::string("-"); };
  const SliceSelect select = SelectRowsWhere(plan.table, plan.columns);
  return fmt::format("from {} to {} bucket {} sample {} seed {} rows {} strict {} key {} of {}…{}", time(request.from),
                     time(request.to), request.bucket_micros, request.sample, request.seed, request.example_rows,
                     request.strict, fmt::join(request.key, ","), select.head, select.tail);
}

// It has no files but its own.
Status EndVerifyPlan(storage::FileIO& file_io, const std::string& location, const VerifyHeader& header) {
  const auto none = []() -> Result<table::FilesInTable> { return std::set<std::string>(); };
  return table::EndPlan(file_io, location, table::DataLocationOf(header.plan.target), none).status();
}

class VerifySlicePlanner {
 public:
  VerifySlicePlanner(const VerifyContext& context, const VerifyRequest& request, const VerifySlicesOptions& options)
      : context_(context), request_(request), options_(options) {}

  Result<PlannedVerify> Run() {
    if (request_.cold_only) {
      return MakeError(ErrorKind::kConfig, "rows that are twice in cold may lie in two slices",
                       "Run `calve verify --cold-only`, in one process.");
    }
    ARROW_ASSIGN_OR_RAISE(header_.plan, PlanVerify(context_, request_));
    ARROW_ASSIGN_OR_RAISE(auto resumed, LookAtOpenPlans());
    if (resumed) return std::move(*resumed);
    ARROW_ASSIGN_OR_RAISE(header_.result, BeginVerify(context_, request_, header_.plan));
    PlannedVerify planned;
    planned.notes = header_.result.notes;
    if (header_.plan.ranges.empty()) return planned;
    ARROW_RETURN_NOT_OK(FindTasks());
    ARROW_ASSIGN_OR_RAISE(const auto rows, FindRows());
    const auto cuts = CutVerify(header_.plan.ranges, rows, request_.bucket_micros, options_.size);
    FillHeader(static_cast<int64_t>(cuts.size()));
    ARROW_ASSIGN_OR_RAISE(header_.identity, source::IdentityOf(*context_.source, header_.plan.table));
    const std::string location = table::PlanLocation(header_.plan.target.location, header_.id);
    const iceberg::PartitionTypes types = table::PartitionTypesOf(header_.plan.target);
    std::string text;
    for (const VerifyCut& cut : cuts) {
      VerifySlice slice{{location, request_.target.ToString(), kVerifyJob, static_cast<int64_t>(planned.lines.size())},
                        header_.slices,
                        cut.rows,
                        cut.ranges,
                        TasksOf(cut)};
      ARROW_ASSIGN_OR_RAISE(std::string line, WriteVerifySlice(slice, types));
      text.append(line).push_back('\n');
      planned.lines.push_back(std::move(line));
      planned.rows += cut.rows;
    }
    ARROW_RETURN_NOT_OK(context_.stop.Check());
    ARROW_RETURN_NOT_OK(table::StorePlan(context_.file_io, location, WriteVerifyHeader(header_), text));
    planned.location = location;
    return planned;
  }

 private:
  Result<std::optional<PlannedVerify>> LookAtOpenPlans() {
    const iceberg::TableMetadata& metadata = header_.plan.target;
    ARROW_ASSIGN_OR_RAISE(const auto open, table::OpenPlansOf(context_.file_io, metadata.location, kVerifyJob));
    for (const table::OpenJob& plan : open) {
      ARROW_ASSIGN_OR_RAISE(const VerifyHeader header, ParseVerifyHeader(plan.text));
      const auto& snapshot = header.plan.snapshot_id;
      const bool fits = !snapshot || metadata.FindSnapshot(*snapshot) != nullptr;
      if (fits && options_.resume && header.asked == AskedFor(request_, header_.plan)) {
        PlannedVerify planned{plan.location, {}, header.result.notes, 0, true};
        ARROW_ASSIGN_OR_RAISE(planned.lines, table::ReadLinesOf(context_.file_io, plan.location));
        return planned;
      }
      if (fits && context_.clock.Now() - plan.made_at < options_.lease_micros) continue;
      ARROW_RETURN_NOT_OK(EndVerifyPlan(context_.file_io, plan.location, header));
    }
    return std::nullopt;
  }

  const iceberg::NestedField& CursorField() const {
    return header_.plan.schema.fields[static_cast<size_t>(header_.plan.cursor_index)];
  }
  iceberg::RowRange RangeOf(const std::vector<Window>& ranges) const {
    return {CursorField().id, ranges.front().from, ranges.back().to};
  }

  Status FindTasks() {
    const VerifyPlan& plan = header_.plan;
    if (!plan.snapshot_id) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(tasks_,
                          table::PlanScan(context_.file_io, plan.target, *plan.snapshot_id, RangeOf(plan.ranges)));
    for (table::ScanTask& task : tasks_) {
      task.file = BareFile(task.file, CursorField().id);
      for (iceberg::DataFile& file : task.deletes) file = BareFile(file, -1);
    }
    return Status::OK();
  }

  // Of both sides: hot may have let go what cold has, and has what cold lacks.
  Result<std::vector<RowsBetween>> FindRows() const {
    const VerifyPlan& plan = header_.plan;
    std::vector<RowsBetween> rows;
    for (const table::ScanTask& task : tasks_) {
      const auto first = BoundOf(task.file.lower_bounds, CursorField());
      const auto last = BoundOf(task.file.upper_bounds, CursorField());
      if (first && last) rows.push_back({*first, *last, task.file.record_count});
    }
    // A sample takes less than counting all buckets would.
    if (request_.sample < 1) return rows;
    for (const Window& range : plan.ranges) {
      ARROW_ASSIGN_OR_RAISE(const auto counts, CountByBucket(*context_.source, plan.table, plan.cursor, range,
                                                             request_.bucket_micros, request_.settings));
      for (const auto& [bucket, count] : counts) rows.push_back({bucket, bucket + request_.bucket_micros - 1, count});
    }
    return rows;
  }

  std::vector<table::ScanTask> TasksOf(const VerifyCut& cut) const {
    const table::RangePruner pruner(header_.plan.target, RangeOf(cut.ranges));
    std::vector<table::ScanTask> tasks;
    for (const table::ScanTask& task : tasks_) {
      if (pruner.MayMatch(task.file)) tasks.push_back(task);
    }
    return tasks;
  }

  void FillHeader(int64_t slices) {
    header_.id = RandomUuid();
    header_.made_at = context_.clock.Now();
    header_.slices = slices;
    header_.target = request_.target;
    header_.asked = AskedFor(request_, header_.plan);
    const iceberg::Snapshot* tip = header_.plan.target.CurrentSnapshot();
    header_.planned_sequence_number = tip ? tip->sequence_number : 0;
    header_.bucket_micros = request_.bucket_micros;
    header_.example_rows = request_.example_rows;
    header_.strict = request_.strict;
    header_.settings = request_.settings;
  }

  const VerifyContext& context_;
  const VerifyRequest& request_;
  const VerifySlicesOptions& options_;
  VerifyHeader header_;
  std::vector<table::ScanTask> tasks_;
};

Result<VerifyHeader> ReadVerifyHeader(storage::FileIO& file_io, const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, table::ReadPlan(file_io, location));
  auto header = ParseVerifyHeader(text);
  ARROW_RETURN_NOT_OK(WithContext(header.status(), location));
  return header;
}

}  // namespace

Result<PlannedVerify> PlanVerifySlices(const VerifyContext& context, const VerifyRequest& request,
                                       const VerifySlicesOptions& options) {
  return VerifySlicePlanner(context, request, options).Run();
}

Result<int64_t> AbandonVerifyPlans(catalog::Catalog& catalog, storage::FileIO& file_io,
                                   const catalog::TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(const auto table, catalog.LoadTable(ident));
  ARROW_ASSIGN_OR_RAISE(const auto open, table::OpenPlansOf(file_io, table.metadata.location, kVerifyJob));
  for (const table::OpenJob& plan : open) {
    ARROW_ASSIGN_OR_RAISE(const VerifyHeader header, ParseVerifyHeader(plan.text));
    ARROW_RETURN_NOT_OK(EndVerifyPlan(file_io, plan.location, header));
  }
  return static_cast<int64_t>(open.size());
}

Result<std::string> VerifyOneSlice(const SidesContext& context, const std::string& line,
                                   const SliceResources& resources) {
  const auto began = std::chrono::steady_clock::now();
  ARROW_ASSIGN_OR_RAISE(const table::SliceOrigin origin, table::ReadSliceOrigin(line, kVerifyJob));
  ARROW_ASSIGN_OR_RAISE(VerifyHeader header, ReadVerifyHeader(context.file_io, origin.plan));
  ARROW_ASSIGN_OR_RAISE(VerifySlice slice, ParseVerifySlice(line, table::PartitionTypesOf(header.plan.target)));
  ARROW_RETURN_NOT_OK(CheckPlannedSource(*context.source, header.result.table,
                                         header.plan.replicas ? *header.plan.replicas : source::ShardServers{},
                                         header.identity));
  VerifyRequest request = header.request();
  request.memory_bytes = resources.memory_bytes;
  request.cold_threads = resources.cold_threads;
  header.plan.ranges = slice.ranges;
  header.plan.tasks = std::move(slice.tasks);
  VerifySides sides(context, request, header.plan);
  VerifyResult sum;
  for (const Window& range : slice.ranges) {
    ARROW_ASSIGN_OR_RAISE(ComparedRange compared, CompareRange(request, header.plan, sides, range));
    AddCompared(std::move(compared), sum);
  }
  VerifiedSlice verified{origin, RandomUuid(), {}, 0};
  verified.compared = {sum.rows_hot, sum.rows_cold, sum.buckets, std::move(sum.differences), std::move(sum.notes)};
  BoundExamples(kVerifiedLineMax, verified.compared);
  verified.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return WriteVerifiedSlice(verified);
}

Result<SummedVerify> SumVerifySlices(storage::FileIO& file_io, const Clock& clock,
                                     const std::vector<std::string>& lines, const std::string& plan, bool keep) {
  ARROW_ASSIGN_OR_RAISE(const table::SliceOrigin origin, table::OriginOf(lines, plan, kVerifyJob));
  ARROW_ASSIGN_OR_RAISE(const VerifyHeader header, ReadVerifyHeader(file_io, origin.plan));
  const auto sum = [&]() -> Result<VerifyResult> {
    std::vector<VerifiedSlice> slices;
    for (const std::string& line : lines) {
      ARROW_ASSIGN_OR_RAISE(slices.emplace_back(), ParseVerifiedSlice(line));
    }
    return SumVerified(header, std::move(slices));
  };
  auto result = sum();
  if (result.ok() || !keep) {
    ARROW_RETURN_NOT_OK(EndVerifyPlan(file_io, origin.plan, header));
  }
  ARROW_RETURN_NOT_OK(result.status());
  result->seconds = static_cast<double>(clock.Now() - header.made_at) / kMicrosPerSecond;
  return SummedVerify{std::move(*result), header.bucket_micros, header.id};
}

}  // namespace calve::offload
