#include "calve/maintain/compact_slices.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "calve/base/random.h"
#include "calve/maintain/work_meter.h"
#include "calve/table/plan_store.h"
#include "calve/table/snapshot_summary.h"

namespace calve::maintain {
namespace {

Result<CompactHeader> ReadCompactHeader(storage::FileIO& file_io, const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, table::ReadPlan(file_io, location));
  auto header = ParseCompactHeader(text);
  ARROW_RETURN_NOT_OK(WithContext(header.status(), location));
  return header;
}

Result<std::vector<CompactSlice>> ReadPlanned(storage::FileIO& file_io, const std::string& location,
                                              const iceberg::PartitionTypes& types) {
  ARROW_ASSIGN_OR_RAISE(const auto lines, table::ReadLinesOf(file_io, location));
  std::vector<CompactSlice> slices;
  for (const std::string& line : lines) {
    ARROW_ASSIGN_OR_RAISE(slices.emplace_back(), ParseCompactSlice(line, types));
  }
  return slices;
}

// What was written is deleted unless it was handed on.
class Attempt {
 public:
  explicit Attempt(storage::FileIO& file_io) : file_io_(file_io) {}
  ~Attempt() {
    for (const RewrittenGroup& group : groups_) DeleteAddedFiles(file_io_, group);
  }
  void Add(const RewrittenGroup& group) { groups_.push_back(group); }
  void HandOn() { groups_.clear(); }

 private:
  storage::FileIO& file_io_;
  std::vector<RewrittenGroup> groups_;
};

// The snapshot that a plan became; null where the table has none.
const iceberg::Snapshot* SnapshotOf(const iceberg::TableMetadata& metadata, const std::string& commit_id) {
  for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
    const auto found = snapshot.summary.find("calve.commit-id");
    if (found != snapshot.summary.end() && found->second == commit_id)
      return metadata.FindSnapshot(snapshot.snapshot_id);
  }
  return nullptr;
}

// The plan's files that are in the table, below its folder, also where the snapshot that brought them was expired
// since; nullopt: its commit is not in.
Result<table::FilesInTable> FindInTable(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                        const CompactHeader& header) {
  if (metadata.table_uuid != header.planned_on.table_uuid) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(
      auto files, table::CommittedFiles(file_io, metadata, header.id, header.planned_on.sequence_number.value_or(0)));
  if (files.empty() && SnapshotOf(metadata, header.id) == nullptr) return std::nullopt;
  return files;
}
// For EndPlan: as the table is by then, whoever committed.
table::HeldFiles HeldByTable(catalog::Catalog& catalog, storage::FileIO& file_io, const CompactHeader& header) {
  return [&]() -> Result<table::FilesInTable> {
    ARROW_ASSIGN_OR_RAISE(const auto table, catalog.LoadTable(header.target));
    return FindInTable(file_io, table.metadata, header);
  };
}

// Every file of the groups is there, as large as its line says.
Status CheckFilesThere(const std::map<std::string, int64_t>& sizes, const std::string& plan_id,
                       const std::vector<RewrittenGroup>& groups) {
  for (const RewrittenGroup& group : groups) {
    for (const iceberg::DataFile& file : group.added) {
      const auto found = sizes.find(table::BelowPlan(file.file_path, plan_id));
      if (found != sizes.end() && found->second == file.file_size_in_bytes) continue;
      const std::string what =
          found == sizes.end() ? "is not there"
                               : fmt::format("has {} bytes and should have {}", found->second, file.file_size_in_bytes);
      return MakeError(ErrorKind::kConfig, fmt::format("{} {}", file.file_path, what),
                       "Plan anew with calve plan --job compact.");
    }
  }
  return Status::OK();
}

class SliceCommit {
 public:
  SliceCommit(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const CompactLines& given,
              const table::Sleep& sleep)
      : catalog_(catalog), file_io_(file_io), clock_(clock), given_(given), sleep_(sleep) {}

  Result<CommittedCompaction> Run() {
    ARROW_ASSIGN_OR_RAISE(origin_, table::OriginOf(given_.lines, given_.plan, kCompactJob));
    auto header = ReadCompactHeader(file_io_, origin_.plan);
    if (KindOf(header.status()) == ErrorKind::kConflict) return WasDone(header.status());
    ARROW_RETURN_NOT_OK(header.status());
    header_ = header.MoveValueUnsafe();
    done_.ident = header_.target;
    done_.made_at = header_.made_at;
    ARROW_RETURN_NOT_OK(LookIntoTable());
    done_.was_done = in_table_.has_value();
    const Status status = in_table_ ? Status::OK() : Commit();
    // What may pass (a catalog or a store that does not answer, a missing right) ends no plan: only wrong lines do.
    if (!status.ok() && (!refused_ || given_.keep)) return status;
    // What is in the table decides what of the files stays: also what another call of the same plan's put there.
    ARROW_RETURN_NOT_OK(End(table::DataLocationOf(header_.table)));
    if (in_table_ && done_.report.groups_done == 0) {
      done_.was_done = true;
      Tell(table_.metadata);
      return std::move(done_);
    }
    ARROW_RETURN_NOT_OK(status);
    return std::move(done_);
  }

 private:
  Status Commit() {
    CompactionReport& report = done_.report;
    report.plan.small_files = header_.small_files;
    report.plan.other_specs = header_.other_specs;
    report.plan.not_rewritable = header_.not_rewritable;
    report.groups = header_.groups;
    report.notes = header_.notes;
    const iceberg::PartitionTypes types = table::PartitionTypesOf(header_.table);
    ARROW_ASSIGN_OR_RAISE(const auto planned, ReadPlanned(file_io_, origin_.plan, types));
    ARROW_ASSIGN_OR_RAISE(const auto sizes,
                          table::ListPlanFiles(file_io_, table::DataLocationOf(header_.table), header_.id));
    auto lines = CheckLines(planned, types, sizes);
    refused_ = !lines.ok();
    ARROW_ASSIGN_OR_RAISE(CheckedGroups checked, std::move(lines));
    report.groups_lost += checked.left;
    report.notes.insert(report.notes.end(), checked.notes.begin(), checked.notes.end());
    // From here on nobody who refuses the plan deletes its files.
    ARROW_ASSIGN_OR_RAISE(mark_, table::MarkCommit(file_io_, origin_.plan));
    // Sweeping deletes what is thrown away, once the table has shown that it is not in.
    GroupCommit commit(catalog_, file_io_, clock_, sleep_, header_.target, header_.planned_on, report,
                       /*deletes=*/false);
    for (RewrittenGroup& group : checked.groups) commit.Add(std::move(group));
    const Status committed = commit.Commit(header_.id);
    // Of an unknown outcome the mark stays: the snapshot may still land.
    if (!committed.ok() && KindOf(committed) != ErrorKind::kUnknownOutcome) {
      const Status deleted = file_io_.Delete(mark_);
      static_cast<void>(deleted);  // one that is left keeps files, which orphan removal finds
    }
    return committed;
  }

  Result<CheckedGroups> CheckLines(const std::vector<CompactSlice>& planned, const iceberg::PartitionTypes& types,
                                   const std::map<std::string, int64_t>& sizes) const {
    std::vector<CompactedSlice> written;
    for (const std::string& line : given_.lines) {
      ARROW_ASSIGN_OR_RAISE(written.emplace_back(), ParseCompactedSlice(line, types));
    }
    ARROW_ASSIGN_OR_RAISE(CheckedGroups checked, CheckCompacted(header_, planned, written));
    ARROW_RETURN_NOT_OK(CheckFilesThere(sizes, header_.id, checked.groups));
    return checked;
  }

  Status LookIntoTable() {
    ARROW_ASSIGN_OR_RAISE(table_, catalog_.LoadTable(header_.target));
    ARROW_ASSIGN_OR_RAISE(in_table_, FindInTable(file_io_, table_.metadata, header_));
    return Status::OK();
  }

  Status End(const std::string& data_location) {
    const auto held = [this]() -> Result<table::FilesInTable> {
      ARROW_RETURN_NOT_OK(LookIntoTable());
      return in_table_;
    };
    ARROW_ASSIGN_OR_RAISE(const table::EndedPlan ended,
                          table::EndPlan(file_io_, origin_.plan, data_location, held, mark_));
    done_.files_swept = ended.deleted;
    return Status::OK();
  }

  // The header is gone: this plan was committed before, or it is over.
  Result<CommittedCompaction> WasDone(const Status& is_over) {
    if (origin_.target.empty()) return is_over;
    header_.id = table::PlanIdOf(origin_.plan);
    ARROW_ASSIGN_OR_RAISE(done_.ident, catalog::ParseTableIdent(origin_.target));
    header_.target = done_.ident;
    ARROW_ASSIGN_OR_RAISE(table_, catalog_.LoadTable(done_.ident));
    header_.planned_on.table_uuid = table_.metadata.table_uuid;
    ARROW_ASSIGN_OR_RAISE(in_table_, FindInTable(file_io_, table_.metadata, header_));
    if (!in_table_) return is_over;
    ARROW_RETURN_NOT_OK(End(table::DataLocationOf(table_.metadata)));
    done_.was_done = true;
    Tell(table_.metadata);
    return std::move(done_);
  }

  // What an earlier call did, as far as the table tells.
  void Tell(const iceberg::TableMetadata& metadata) {
    CompactionReport& report = done_.report;
    const iceberg::Snapshot* snapshot = SnapshotOf(metadata, header_.id);
    if (snapshot == nullptr) return;
    report.snapshot_ids = {snapshot->snapshot_id};
    const auto& summary = snapshot->summary;
    const auto number = [&](const char* key) { return table::SummaryCount(summary, key).value_or(0); };
    report.files_removed = number("deleted-data-files");
    report.files_added = number("added-data-files");
    report.rows = number("added-records");
    report.rows_deleted = number("deleted-records") - report.rows;
    report.bytes_added = number("added-files-size");
    report.bytes_removed = number("removed-files-size");
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const CompactLines& given_;
  const table::Sleep& sleep_;
  table::SliceOrigin origin_;
  CompactHeader header_;
  std::string mark_;
  bool refused_ = false;        // the lines are wrong
  catalog::LoadedTable table_;  // as it was last looked into
  table::FilesInTable in_table_;
  CommittedCompaction done_;
};

class CompactPlanner {
 public:
  CompactPlanner(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const StopToken& stop,
                 const CompactSlicesRequest& request)
      : catalog_(catalog), file_io_(file_io), clock_(clock), stop_(stop), request_(request) {}

  Result<PlannedCompaction> Run() {
    ARROW_ASSIGN_OR_RAISE(const auto table, catalog_.LoadTable(request_.compact.ident));
    ARROW_ASSIGN_OR_RAISE(const bool decided, LookAtOpenPlans(table.metadata));
    if (!decided) ARROW_RETURN_NOT_OK(PlanAnew(table.metadata));
    return std::move(planned_);
  }

 private:
  // True where an open plan is gone on with, here or by who made it.
  Result<bool> LookAtOpenPlans(const iceberg::TableMetadata& metadata) {
    ARROW_ASSIGN_OR_RAISE(const auto open, table::OpenPlansOf(file_io_, metadata.location, kCompactJob));
    for (const table::OpenJob& plan : open) {
      ARROW_ASSIGN_OR_RAISE(const CompactHeader header, ParseCompactHeader(plan.text));
      ARROW_ASSIGN_OR_RAISE(const table::FilesInTable in_table, FindInTable(file_io_, metadata, header));
      const auto& planned_on = header.planned_on;
      const bool fits = !in_table && metadata.table_uuid == planned_on.table_uuid && planned_on.snapshot_id &&
                        metadata.FindSnapshot(*planned_on.snapshot_id) != nullptr;
      if (fits && request_.resume) {
        planned_.location = plan.location;
        planned_.resumed = true;
        ARROW_ASSIGN_OR_RAISE(planned_.lines, table::ReadLinesOf(file_io_, plan.location));
        planned_.report.groups = header.groups;
        return true;
      }
      if (fits && clock_.Now() - plan.made_at < request_.lease_micros) {
        planned_.held_since = plan.made_at;
        return true;
      }
      ARROW_ASSIGN_OR_RAISE(const table::EndedPlan ended,
                            table::EndPlan(file_io_, plan.location, table::DataLocationOf(header.table),
                                           HeldByTable(catalog_, file_io_, header)));
      planned_.notes.push_back(fmt::format("the plan of {} is ended ({}); {} files of its attempts were deleted",
                                           FormatTimestamp(plan.made_at),
                                           in_table ? "it was committed"
                                           : fits   ? "nobody works on it any more"
                                                    : "the snapshot that it was made on is gone",
                                           ended.deleted));
    }
    return false;
  }

  Status PlanAnew(const iceberg::TableMetadata& metadata) {
    CompactionRequest compact = request_.compact;
    // A group is never cut, so it is no larger than a slice is to be.
    compact.commit_bytes = std::min(compact.commit_bytes, request_.slice_bytes);
    ARROW_ASSIGN_OR_RAISE(planned_.report, PlanGroups(file_io_, metadata, compact));
    CompactionReport& report = planned_.report;
    if (report.plan.groups.empty()) return Status::OK();
    CompactHeader header;
    header.id = RandomUuid();
    header.made_at = clock_.Now();
    header.target = request_.compact.ident;
    header.groups = report.groups;
    header.planned_on = PlannedOn::Of(metadata);
    header.small_files = report.plan.small_files;
    header.other_specs = report.plan.other_specs;
    header.not_rewritable = report.plan.not_rewritable;
    header.notes = report.notes;
    header.table = metadata;
    const std::string location = table::PlanLocation(metadata.location, header.id);
    int64_t bytes = 0;
    for (const CompactionGroup& group : report.plan.groups) bytes += group.bytes;
    const int64_t bytes_min =
        request_.slices > 0 ? std::max<int64_t>(bytes / request_.slices, 1) : request_.slice_bytes;
    const auto slices = CutGroups(std::exchange(report.plan.groups, {}), bytes_min,
                                  {location, header.target.ToString(), kCompactJob, 0});
    header.slices = static_cast<int64_t>(slices.size());
    const iceberg::PartitionTypes types = table::PartitionTypesOf(metadata);
    std::string text;
    for (const CompactSlice& slice : slices) {
      ARROW_ASSIGN_OR_RAISE(std::string line, WriteCompactSlice(slice, types));
      text.append(line).push_back('\n');
      planned_.lines.push_back(std::move(line));
      planned_.rows += slice.rows();
    }
    ARROW_RETURN_NOT_OK(stop_.Check());
    ARROW_RETURN_NOT_OK(table::StorePlan(file_io_, location, WriteCompactHeader(header), text));
    planned_.location = location;
    return Status::OK();
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const StopToken& stop_;
  const CompactSlicesRequest& request_;
  PlannedCompaction planned_;
};

}  // namespace

Result<PlannedCompaction> PlanCompactSlices(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                            const StopToken& stop, const CompactSlicesRequest& request) {
  return CompactPlanner(catalog, file_io, clock, stop, request).Run();
}

Result<int64_t> AbandonCompactPlans(catalog::Catalog& catalog, storage::FileIO& file_io,
                                    const catalog::TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(const auto table, catalog.LoadTable(ident));
  ARROW_ASSIGN_OR_RAISE(const auto open, table::OpenPlansOf(file_io, table.metadata.location, kCompactJob));
  for (const table::OpenJob& plan : open) {
    ARROW_ASSIGN_OR_RAISE(const CompactHeader header, ParseCompactHeader(plan.text));
    ARROW_RETURN_NOT_OK(table::EndPlan(file_io, plan.location, table::DataLocationOf(header.table),
                                       HeldByTable(catalog, file_io, header))
                            .status());
  }
  return static_cast<int64_t>(open.size());
}

Result<std::string> CompactOneSlice(storage::FileIO& file_io, const StopToken& stop, const std::string& line,
                                    int64_t memory_bytes, ProgressSink* progress) {
  const auto began = std::chrono::steady_clock::now();
  ARROW_ASSIGN_OR_RAISE(const table::SliceOrigin origin, table::ReadSliceOrigin(line, kCompactJob));
  ARROW_ASSIGN_OR_RAISE(CompactHeader header, ReadCompactHeader(file_io, origin.plan));
  const iceberg::PartitionTypes types = table::PartitionTypesOf(header.table);
  ARROW_ASSIGN_OR_RAISE(const CompactSlice slice, ParseCompactSlice(line, types));
  header.table.properties["write.data.path"] = table::PlanDataLocation(table::DataLocationOf(header.table), header.id);
  CompactedSlice compacted{origin, RandomUuid(), {}, 0};
  Attempt attempt(file_io);
  WorkMeter meter(progress, "rows");
  meter.Begin("compacting", slice.rows());
  for (const NumberedGroup& group : slice.groups) {
    ARROW_RETURN_NOT_OK(stop.Check());
    const std::string prefix = fmt::format("{:05}-{}-compact-{:05}", origin.slice, compacted.attempt, group.number);
    ARROW_ASSIGN_OR_RAISE(const GroupOutcome outcome,
                          RewriteIfWorthIt(file_io, header.table, group.group, prefix, memory_bytes, stop,
                                           [&](int64_t rows) { meter.Add(rows); }));
    WrittenGroup& written = compacted.groups.emplace_back();
    written.number = group.number;
    written.note = outcome.note;
    if (!outcome.group) continue;
    attempt.Add(*outcome.group);
    written.added = outcome.group->added;
    written.rows = outcome.group->rows;
    written.rows_deleted = outcome.group->rows_deleted;
  }
  compacted.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ARROW_ASSIGN_OR_RAISE(std::string text, WriteCompactedSlice(compacted, types));
  // Whoever ended the plan meanwhile has swept its folder before these files were there, or will find them.
  ARROW_RETURN_NOT_OK(table::CheckPlanIsOpen(file_io, origin.plan));
  attempt.HandOn();
  return text;
}

Result<CommittedCompaction> CommitCompactSlices(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                                const CompactLines& lines, const table::Sleep& sleep) {
  return SliceCommit(catalog, file_io, clock, lines, sleep).Run();
}

}  // namespace calve::maintain
