#include "calve/offload/plan_commit.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "calve/base/random.h"
#include "calve/offload/commit_window.h"
#include "calve/offload/run_log.h"
#include "calve/offload/slice_lines.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/window_events.h"
#include "calve/table/snapshot_summary.h"

namespace calve::offload {
namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kLinesRemedy = "Give each line that calve write-slice printed for this plan once.";

Status BadLines(std::string message, const char* remedy = kLinesRemedy) {
  return MakeError(ErrorKind::kFailed, std::move(message), remedy);
}

Status Overtaken(const OffloadPlan& plan) {
  return MakeError(ErrorKind::kConflict,
                   fmt::format("the watermark of {} has moved since the plan was made at {}", plan.target.ToString(),
                               FormatTimestamp(plan.made_at)),
                   "Plan anew: another calve was faster.");
}

// Of a line that does not read, and its number.
Status BadLine(const Status& why, size_t number) {
  return WithContext(WithKind(why, KindOf(why), kLinesRemedy), fmt::format("line {}", number));
}

// As EndPlan asks. Also where the commit's own snapshot has expired, or is hidden, and others came after it.
Result<table::FilesInTable> FindInTable(storage::FileIO& file_io, const iceberg::TableMetadata& table,
                                        const OffloadPlan& plan) {
  if (table.table_uuid != plan.table_uuid) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto files, table::CommittedFiles(file_io, table, plan.id, plan.planned_sequence_number));
  if (files.empty() && !FindCommit(table, plan.id)) return std::nullopt;
  return files;
}

// What the lines are, taken together.
struct Written {
  std::vector<iceberg::DataFile> files;
  int64_t rows = 0, bytes = 0, bytes_read = 0;
  std::optional<int64_t> max_sequence;
  int64_t changed = 0;  // slices with other rows than were planned
};

class LineCheck {
 public:
  LineCheck(const OffloadPlan& plan, const std::string& location) : plan_(plan), location_(location) {}

  // `planned` are the lines of the plan's file.
  Result<Written> Run(const std::vector<SliceRange>& planned, const std::vector<std::string>& lines) {
    ARROW_ASSIGN_OR_RAISE(const auto types, PartitionTypesOf(plan_));
    std::vector<bool> seen(planned.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      auto line = ReadWrittenLine(lines[i], types);
      if (!line.ok()) return BadLine(line.status(), i + 1);
      ARROW_RETURN_NOT_OK(Take(*line, planned, seen));
    }
    const auto missing = std::find(seen.begin(), seen.end(), false);
    if (missing != seen.end()) {
      return BadLines(fmt::format("{} of the plan's {} slices are missing, the first of them slice {}",
                                  std::count(missing, seen.end(), false), seen.size(), missing - seen.begin()));
    }
    return std::move(written_);
  }

 private:
  Status Take(WrittenLine& line, const std::vector<SliceRange>& planned, std::vector<bool>& seen) {
    const auto slice = static_cast<size_t>(line.origin.slice);
    if (line.origin.plan != location_) {
      return BadLines(fmt::format("slice {} is of another plan, {}, than the first line's, {}", slice, line.origin.plan,
                                  location_));
    }
    if (slice >= planned.size()) {
      return BadLines(fmt::format("there is a slice {}, but the plan has {}", slice, planned.size()));
    }
    if (seen[slice]) return BadLines(fmt::format("slice {} is there twice", slice));
    seen[slice] = true;
    ARROW_RETURN_NOT_OK(CheckRows(line, planned[slice]));
    written_.rows += line.rows, written_.bytes_read += line.bytes_read;
    if (line.max_sequence) {
      written_.max_sequence = std::max(*line.max_sequence, written_.max_sequence.value_or(*line.max_sequence));
    }
    for (iceberg::DataFile& file : line.files) {
      written_.bytes += file.file_size_in_bytes;
      written_.files.push_back(std::move(file));
    }
    return Status::OK();
  }

  Status CheckRows(const WrittenLine& line, const SliceRange& planned) {
    int64_t in_files = 0;
    for (const iceberg::DataFile& file : line.files) {
      in_files += file.record_count;
      const bool is_ours = file.content == iceberg::FileContent::kData &&
                           file.file_path.starts_with(table::PlanDataLocation(plan_.data_location, plan_.id) + "/");
      if (!is_ours) {
        return BadLines(
            fmt::format("slice {} names a file that is none of the plan's: {}", line.origin.slice, file.file_path));
      }
    }
    if (in_files != line.rows) {
      return BadLines(
          fmt::format("slice {} says {} rows, and its files hold {}", line.origin.slice, line.rows, in_files));
    }
    const bool same = line.rows == planned.rows && line.fingerprint == planned.fingerprint;
    if (line.as_planned && !same) {
      return BadLines(
          fmt::format("slice {} has {} rows with fingerprint {}; {} with {} were planned", line.origin.slice, line.rows,
                      FingerprintText(line.fingerprint), planned.rows, FingerprintText(planned.fingerprint)),
          "Plan anew; where it comes again, please report it.");
    }
    if (!same) ++written_.changed;
    return Status::OK();
  }

  const OffloadPlan& plan_;
  const std::string& location_;
  Written written_;
};

Result<std::vector<SliceRange>> ReadPlanned(storage::FileIO& file_io, const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const auto lines, table::ReadLinesOf(file_io, location));
  std::vector<SliceRange> planned;
  for (const std::string& text : lines) {
    ARROW_ASSIGN_OR_RAISE(SliceLine line, ReadSliceLine(text));
    planned.push_back(std::move(line.range));
  }
  return planned;
}

class PlanCommit {
 public:
  PlanCommit(const PlanCommitContext& context, const PlanCommitRequest& request)
      : context_(context), request_(request) {}

  Result<OffloadResult> Run() {
    ARROW_RETURN_NOT_OK(FindPlan());
    auto text = table::ReadPlan(context_.file_io, location_);
    if (KindOf(text.status()) == ErrorKind::kConflict) return DoneBefore(text.status());
    ARROW_RETURN_NOT_OK(text.status());
    auto parsed = ReadOffloadPlan(*text);
    if (!parsed.ok()) return WithContext(parsed.status(), location_);
    plan_ = std::move(*parsed);
    ARROW_ASSIGN_OR_RAISE(table_, context_.catalog.LoadTable(plan_.target));
    ARROW_ASSIGN_OR_RAISE(const auto ended, EndIfCommitted(context_.file_io, table_.metadata, plan_, location_));
    if (ended) return AsItIs();
    if (table_.metadata.table_uuid != plan_.table_uuid) {
      // As likely a wrong catalog as a table that was made anew: whoever plans next gives the plan up.
      return MakeError(ErrorKind::kConfig,
                       fmt::format("{} of the {} is another table than the plan was made for", plan_.target.ToString(),
                                   context_.catalog.name()),
                       "Give the catalog that the plan was made with. Where the table was made anew, plan anew.");
    }
    // From here on nobody who gives the plan up deletes what this commit may still hold.
    ARROW_ASSIGN_OR_RAISE(mark_, table::MarkCommit(context_.file_io, location_));
    auto done = CheckAndCommit();
    if (!done.ok()) return Refuse(done.status());
    return done;
  }

 private:
  Status FindPlan() {
    if (request_.lines.empty()) return BadLines("there is no line");
    Status first;
    for (const std::string& line : request_.lines) {
      auto origin = ReadLineOrigin(line);
      if (!origin.ok()) {
        if (first.ok()) first = BadLine(origin.status(), 1);
        continue;
      }
      location_ = request_.plan.empty() ? origin->plan : request_.plan;
      target_ = origin->target;
      return Status::OK();
    }
    location_ = request_.plan;
    return location_.empty() ? first : Status::OK();
  }

  Result<OffloadResult> CheckAndCommit() {
    wrong_lines_ = true;
    ARROW_ASSIGN_OR_RAISE(const auto planned, ReadPlanned(context_.file_io, location_));
    ARROW_ASSIGN_OR_RAISE(Written written, LineCheck(plan_, location_).Run(planned, request_.lines));
    ARROW_RETURN_NOT_OK(CheckFiles(written));
    wrong_lines_ = false;
    const Status fits = CheckPlanFits(plan_, table_.metadata);
    overtaken_ = KindOf(fits) == ErrorKind::kConflict;
    ARROW_RETURN_NOT_OK(fits);
    return Commit(std::move(written));
  }

  // Of one list of the plan's folder, however many there are.
  Status CheckFiles(const Written& written) {
    ARROW_ASSIGN_OR_RAISE(const auto sizes, table::ListPlanFiles(context_.file_io, plan_.data_location, plan_.id));
    std::set<std::string> named;
    for (const iceberg::DataFile& file : written.files) {
      const std::string below = table::BelowPlan(file.file_path, plan_.id);
      if (!named.insert(below).second) return BadLines(fmt::format("the file {} is there twice", file.file_path));
      const auto found = sizes.find(below);
      if (found == sizes.end()) {
        return BadLines(fmt::format("the file {} is not there", file.file_path), "Plan anew: something took it away.");
      }
      if (found->second != file.file_size_in_bytes) {
        return BadLines(fmt::format("the file {} has {} bytes, and {} were written", file.file_path, found->second,
                                    file.file_size_in_bytes),
                        "Plan anew: something changed it.");
      }
    }
    return Status::OK();
  }

  Result<OffloadResult> Commit(Written written) {
    const auto began = Steady::now();
    OffloadResult result = ResultOf();
    result.rows = written.rows, result.bytes = written.bytes, result.bytes_read = written.bytes_read;
    result.files = static_cast<int64_t>(written.files.size());
    result.rows_expected = plan_.rows;
    if (written.changed > 0) {
      Note(result, fmt::format("{} slices have other rows than were planned ({} in place of {} in all): they came in "
                               "since, and ClickHouse was asked again",
                               written.changed, written.rows, plan_.rows));
    }
    context_.progress.Update(
        Progress{"committing", result.rows, plan_.rows, result.bytes_read, result.bytes, 0, std::nullopt});
    std::set<std::string> keep;
    for (const auto& file : written.files) keep.insert(table::BelowPlan(file.file_path, plan_.id));
    WindowCommit commit =
        CommitOf(plan_, std::move(table_), std::move(written.files), written.rows, written.max_sequence);
    // A call before this one may have left manifests behind, or be at it now.
    commit.file_prefix = fmt::format("{}-{}", plan_.id, RandomUuid().substr(0, 8));
    auto committed = CommitWindow(context_.catalog, context_.file_io, context_.clock, commit, table::SleepFor);
    ARROW_RETURN_NOT_OK(committed.status());
    if (committed->outcome == CommitOutcome::kLostRace) {
      // Where a try's outcome was unknown the manifests of that try may be in use: maintenance tells.
      overtaken_ = !committed->outcome_was_unknown;
      return Overtaken(plan_);
    }
    if (committed->outcome == CommitOutcome::kRolledBack) {
      return MakeError(ErrorKind::kFailed, "the window was committed, but main was moved away from it meanwhile",
                       "If that was meant, plan anew.");
    }
    result.snapshot_id = committed->snapshot_id;
    result.watermark = plan_.window.to;
    result.seconds_committing = std::chrono::duration<double>(Steady::now() - began).count();
    result.seconds = static_cast<double>(context_.clock.Now() - plan_.made_at) / 1e6;
    // Another commit of this plan may have been the one, with files of its own.
    auto ended = committed->outcome_was_unknown ? SettleByTable(result) : EndWith(keep);
    if (!ended.ok()) NoteLeft(result, ended);
    Close(result, written.max_sequence);
    TellCommitted(result);
    return result;
  }

  Status EndWith(const std::set<std::string>& keep) {
    const auto held = [&keep]() -> Result<table::FilesInTable> { return keep; };
    return table::EndPlan(context_.file_io, location_, plan_.data_location, held, mark_).status();
  }

  Status SettleByTable(OffloadResult& result) {
    ARROW_ASSIGN_OR_RAISE(table_, context_.catalog.LoadTable(plan_.target));
    ARROW_ASSIGN_OR_RAISE(const auto ended, EndIfCommitted(context_.file_io, table_.metadata, plan_, location_));
    if (!ended) return MakeError(ErrorKind::kFailed, "the commit is no longer in the table");
    result.notes = AsItIs().notes;
    return Status::OK();
  }

  // The plan's commit is in `table_`, by another call of this.
  OffloadResult AsItIs() {
    OffloadResult result = ResultOf();
    const auto trace = FindCommit(table_.metadata, plan_.id);
    if (trace) result.snapshot_id = trace->snapshot_id;
    if (const iceberg::Snapshot* snapshot = trace ? table_.metadata.FindSnapshot(trace->snapshot_id) : nullptr) {
      result.rows = table::SummaryCount(snapshot->summary, "added-records").value_or(0);
      result.files = table::SummaryCount(snapshot->summary, "added-data-files").value_or(0);
      result.bytes = table::SummaryCount(snapshot->summary, "added-files-size").value_or(0);
    }
    result.watermark = plan_.window.to;
    Note(result, "the plan was committed before" +
                     (trace ? fmt::format(", as snapshot {}", trace->snapshot_id) : std::string(": its rows are in")));
    Close(result, std::nullopt);
    return result;
  }

  // The plan is over: either its commit is in, or it was given up.
  Result<OffloadResult> DoneBefore(const Status& over) {
    if (target_.empty()) return over;
    ARROW_ASSIGN_OR_RAISE(plan_.target, catalog::ParseTableIdent(target_));
    plan_.id = table::PlanIdOf(location_);
    ARROW_ASSIGN_OR_RAISE(table_, context_.catalog.LoadTable(plan_.target));
    const auto trace = FindCommit(table_.metadata, plan_.id);
    if (!trace) return over;
    plan_.window.to = StampOf(trace->snapshot_id).value_or(0);
    // Who ended it may have died amid its files.
    const iceberg::Snapshot* snapshot = table_.metadata.FindSnapshot(trace->snapshot_id);
    plan_.planned_sequence_number = snapshot ? snapshot->sequence_number - 1 : 0;
    plan_.table_uuid = table_.metadata.table_uuid;
    plan_.data_location = table::DataLocationOf(table_.metadata);
    const Status ended = EndIfCommitted(context_.file_io, table_.metadata, plan_, location_).status();
    OffloadResult result = AsItIs();
    if (!ended.ok()) NoteLeft(result, ended);
    return result;
  }

  std::optional<TimestampMicros> StampOf(int64_t snapshot_id) const {
    const iceberg::Snapshot* snapshot = table_.metadata.FindSnapshot(snapshot_id);
    if (!snapshot) return std::nullopt;
    const auto found = snapshot->summary.find("calve.window-to");
    if (found == snapshot->summary.end()) return std::nullopt;
    auto time = ParseTimestamp(std::string(found->second));
    return time.ok() ? std::optional(*time) : std::nullopt;
  }

  Status Refuse(const Status& why) {
    const ErrorKind kind = KindOf(why);
    const bool may_pass = kind == ErrorKind::kRetry || kind == ErrorKind::kStopped;
    const bool is_final = overtaken_ || (wrong_lines_ && !request_.keep && !may_pass);
    if (!is_final) {
      // Its files stay. After an unknown outcome the mark does, too: what is on its way may still arrive.
      if (kind != ErrorKind::kUnknownOutcome) (void)context_.file_io.Delete(mark_);
      return WithContext(why, fmt::format("committing to {}", plan_.target.ToString()));
    }
    auto ended = table::EndPlan(context_.file_io, location_, plan_.data_location,
                                HeldByTarget(context_.catalog, context_.file_io, plan_), mark_);
    std::string what = "nothing was committed, and the plan is given up";
    if (!ended.ok()) {
      what += fmt::format("; its files could not all be deleted ({})", MessageOf(ended.status()));
    } else if (ended->is_held) {
      what += "; its files stay, because another commit of it was begun and has not ended";
    } else {
      what += fmt::format(", with its {} files", ended->deleted);
    }
    const Status told = MakeError(
        kind, fmt::format("committing to {}: {}; {}", plan_.target.ToString(), MessageOf(why), what), RemedyOf(why));
    Release();
    (void)Log(told, {}, std::nullopt);  // the journal is a log
    return told;
  }

  OffloadResult ResultOf() const {
    OffloadResult result;
    result.table = plan_.source_table;
    result.target = plan_.target.ToString();
    result.window = plan_.window;
    result.run_id = plan_.id;
    return result;
  }

  Status Log(const Result<bool>& done, const OffloadResult& result, std::optional<int64_t> max_sequence) const {
    return RunLog(context_.journal, context_.clock, RunSubjectOf(plan_))
        .Finish(LoggedRunOf(plan_), done, result, max_sequence);
  }

  void Release() {
    if (!context_.journal) return;
    (void)context_.journal->ReleaseLease(LeaseName(plan_.target, context_.catalog), plan_.id);  // it ends by itself
  }

  void Close(OffloadResult& result, std::optional<int64_t> max_sequence) {
    Release();
    if (plan_.source_table.empty()) return;  // only the table tells of the plan by now
    const Status logged = Log(true, result, max_sequence);
    if (!logged.ok()) Note(result, fmt::format("the journal could not be written: {}", MessageOf(logged)));
  }

  void TellCommitted(const OffloadResult& result) {
    OffloadRequest request;
    request.source_table = plan_.source_table, request.target = plan_.target, request.layer = plan_.layer;
    context_.progress.Tell(CommittedEvent(request, result, {}, result.seconds_committing));
  }

  void NoteLeft(OffloadResult& result, const Status& why) {
    Note(result, fmt::format("files of the plan may be left: {}", MessageOf(why)));
  }

  void Note(OffloadResult& result, std::string text) {
    context_.progress.Note(text);
    result.notes.push_back(std::move(text));
  }

  const PlanCommitContext& context_;
  const PlanCommitRequest& request_;
  std::string location_, target_, mark_;  // target_: as a line names it
  OffloadPlan plan_;
  catalog::LoadedTable table_;
  bool wrong_lines_ = false;  // what is being looked at are the lines
  bool overtaken_ = false;    // the plan can never be committed any more
};

}  // namespace

Status CheckPlanFits(const OffloadPlan& plan, const iceberg::TableMetadata& table) {
  if (table.table_uuid != plan.table_uuid) {
    return MakeError(ErrorKind::kConflict,
                     fmt::format("{} is another table than the plan was made for", plan.target.ToString()),
                     "Plan anew.");
  }
  ARROW_ASSIGN_OR_RAISE(const auto watermark, ReadWatermark(table));
  const auto now = watermark ? std::optional(watermark->stamp.window_to) : std::nullopt;
  return now == plan.planned_from ? Status::OK() : Overtaken(plan);
}

Result<std::optional<table::EndedPlan>> EndIfCommitted(storage::FileIO& file_io, const iceberg::TableMetadata& table,
                                                       const OffloadPlan& plan, const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const auto files, FindInTable(file_io, table, plan));
  if (!files) return std::nullopt;
  const auto held = [&]() -> Result<table::FilesInTable> { return files; };
  ARROW_ASSIGN_OR_RAISE(table::EndedPlan ended, table::EndPlan(file_io, location, plan.data_location, held));
  return ended;
}

table::HeldFiles HeldByTarget(catalog::Catalog& catalog, storage::FileIO& file_io, const OffloadPlan& plan) {
  return [&]() -> Result<table::FilesInTable> {
    const auto table = catalog.LoadTable(plan.target);
    if (KindOf(table.status()) == ErrorKind::kNotFound) return std::nullopt;
    ARROW_RETURN_NOT_OK(table.status());
    return FindInTable(file_io, table->metadata, plan);
  };
}

Result<OffloadResult> CommitPlan(const PlanCommitContext& context, const PlanCommitRequest& request) {
  return PlanCommit(context, request).Run();
}

}  // namespace calve::offload
