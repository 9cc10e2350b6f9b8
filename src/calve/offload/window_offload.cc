#include "calve/offload/window_offload.h"

#include <algorithm>
#include <chrono>

#include "calve/base/random.h"
#include "calve/offload/distribute.h"
#include "calve/offload/late.h"
#include "calve/offload/older_versions.h"
#include "calve/offload/run_log.h"
#include "calve/offload/slice_cut.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/window_events.h"
#include "calve/offload/window_plan.h"
#include "calve/source/run_source.h"

namespace calve::offload {
namespace {

constexpr int kRoundsMax = 5;  // windows lost to other calves before giving up
constexpr int kReadsMax = 4;   // of a window, from a cluster whose servers go away

using Steady = std::chrono::steady_clock;
double SecondsSince(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

class Offload {
 public:
  Offload(const OffloadContext& context, const OffloadRequest& request, const ChunksDone& before)
      : source_(context.source, request.source_table, [&context](const Event& event) { context.progress.Tell(event); }),
        context_{source_,       context.catalog, context.file_io, context.journal,
                 context.clock, context.stop,    context.progress},
        request_(request),
        before_(before),
        log_(request.dry_run ? nullptr : context.journal, context.clock, RunSubjectOf(request)) {}

  // Where the chunks end that are still to come; nothing where the window was done as a whole.
  const std::vector<TimestampMicros>& further_ends() const { return further_ends_; }

  Result<OffloadResult> Run() {
    std::optional<TableLease> lease;
    if (Begin(lease)) return std::move(result_);
    Status done = Rounds();
    if (!done.ok()) {
      if (!told_failure_) NoteOf(log_.Fail(done));
      return done;
    }
    result_.seconds = SecondsSince(start_);
    return std::move(result_);
  }

 private:
  void Note(std::string text) {
    if (std::find(before_.notes.begin(), before_.notes.end(), text) != before_.notes.end()) return;
    context_.progress.Note(text);
    result_.notes.push_back(std::move(text));
  }

  // The journal is a log: that it cannot be written is worth a note, never a failed offload.
  void NoteOf(const Status& journal) {
    if (!journal.ok()) Note(fmt::format("the journal could not be written: {}", MessageOf(journal)));
  }

  Status Rounds() {
    for (int round = 1; round <= kRoundsMax; ++round) {
      ARROW_RETURN_NOT_OK(context_.stop.Check());
      ARROW_ASSIGN_OR_RAISE(bool done, Round());
      if (done) {
        if (!request_.dry_run) LookForLateRows();
        return Status::OK();
      }
      Note("another calve was faster; planning anew from its watermark");
    }
    return MakeError(
        ErrorKind::kConflict,
        fmt::format("{} windows in a row were lost to other writers of {}", kRoundsMax, request_.target.ToString()),
        "Run one calve per table, or run again when the others are done.");
  }

  // Takes the table's lease. True: another calve has it, and there is nothing to do.
  bool Begin(std::optional<TableLease>& lease) {
    if (!context_.journal || request_.dry_run || request_.lease_micros <= 0) return false;
    lease.emplace(*context_.journal, context_.clock, context_.catalog, context_.file_io, request_.target,
                  request_.lease_micros);
    auto other = lease->Acquire();
    // Correctness does not depend on it: without a journal that works there is only more to do twice.
    if (!other.ok()) Note(fmt::format("the journal could not be asked who works here: {}", MessageOf(other.status())));
    if (!other.ok() || !*other) return false;
    result_.table = request_.source_table;
    result_.target = request_.target.ToString();
    result_.held_by = **other;
    return true;
  }

  void Tell(const std::string& phase, int64_t rows, int64_t bytes_read, int64_t bytes_written) {
    const int64_t expected = before_.rows_expected > 0 ? before_.rows_expected : result_.rows_expected;
    const bool is_in = phase == "committed";
    context_.progress.Update(Progress{phase, before_.rows + rows, expected, before_.bytes_read + bytes_read,
                                      before_.bytes + bytes_written, before_.seconds + SecondsSince(start_),
                                      is_in ? result_.watermark : std::nullopt});
  }

  // One window. False: it was lost to another writer.
  Result<bool> Round() {
    auto began = Steady::now();
    const std::string run_id = RandomUuid();
    source_.Begin(run_id, "plan");
    // Nothing of a lost round is in the result but the time it took.
    OffloadResult fresh;
    fresh.seconds_planning = result_.seconds_planning;
    fresh.seconds_writing = result_.seconds_writing;
    fresh.seconds_committing = result_.seconds_committing;
    fresh.seconds_slice = result_.seconds_slice;
    result_ = std::move(fresh);
    max_sequence_.reset();
    Tell("planning", 0, 0, 0);
    ARROW_ASSIGN_OR_RAISE(WindowPlan plan,
                          PlanOffload(context_, request_, [this](std::string text) { Note(std::move(text)); }));
    for (const std::string& note : plan.target.notes) Note(note);
    result_.table = plan.table.FullName();
    result_.target = request_.target.ToString();
    result_.window = plan.window;
    result_.watermark = plan.window.from;
    result_.rows_expected = plan.rows_expected;
    result_.rows_null_cursor = plan.rows_null_cursor, result_.rows_future_cursor = plan.rows_future_cursor;
    late_ = std::move(plan.late);
    const bool distributed = IsDistributed(plan);
    if (distributed && !request_.dry_run) return Distribute(std::move(plan), began);
    if (!distributed) ARROW_RETURN_NOT_OK(CutWindow(plan));
    ARROW_RETURN_NOT_OK(SplitForReaders(plan));
    result_.queries = SelectTexts(plan);
    result_.seconds_planning += SecondsSince(began);
    if (plan.window.empty() && plan.stamp) NoteOf(log_.Mirror(*plan.stamp));
    if (request_.dry_run || plan.window.empty()) return true;
    context_.progress.Tell(PlannedEvent(request_, result_, plan.window, run_id));

    const LoggedRun run{run_id, plan.table.FullName(), plan.window,
                        context_.clock.Now() - static_cast<int64_t>(SecondsSince(start_) * 1e6), plan.adopts_row};
    NoteOf(log_.Start(run));
    source_.SetPurpose("read");
    auto done = WriteAndCommit(plan, run.run_id);
    result_.run_id = run.run_id;
    if (done.ok() && *done) {
      context_.progress.Tell(CommittedEvent(request_, result_, before_, SecondsSince(began)));
    }
    NoteOf(log_.Finish(run, done, result_, max_sequence_));
    told_failure_ = !done.ok();
    return done;
  }

  // Whether others write the window. It is not cut into chunks then.
  bool IsDistributed(const WindowPlan& plan) {
    further_ends_.clear();
    const auto& distribute = request_.distribute;
    if (!distribute || plan.window.empty() || plan.rows_expected <= distribute->rows_above) return false;
    if (plan.identity.key_spans_time) {
      Note(fmt::format("the window is not distributed: rows of {} replace others that have another time",
                       plan.table.FullName()));
      return false;
    }
    if (request_.dry_run) Note(fmt::format("it would be written by {}", fmt::join(distribute->command, " ")));
    return true;
  }

  // One window. False: it was lost to another writer.
  Result<bool> Distribute(WindowPlan plan, Steady::time_point began) {
    source_.SetPurpose("slices");
    auto done = DistributeWindow(context_, request_, std::move(plan),
                                 [&](int64_t rows, int64_t in, int64_t out) { Tell("reading", rows, in, out); });
    if (KindOf(done.status()) == ErrorKind::kConflict) return false;
    ARROW_RETURN_NOT_OK(done.status());
    result_.window = done->window;
    if (!done->snapshot_id) return true;
    result_.rows = done->rows, result_.files = done->files, result_.bytes = done->bytes;
    result_.bytes_read = done->bytes_read, result_.rows_expected = done->rows_expected;
    result_.snapshot_id = done->snapshot_id, result_.watermark = done->watermark, result_.run_id = done->run_id;
    for (std::string& note : done->notes) result_.notes.push_back(std::move(note));
    result_.seconds_committing = done->seconds_committing;
    result_.seconds_writing += SecondsSince(began) - result_.seconds_committing;
    Tell("committed", result_.rows, result_.bytes_read, result_.bytes);
    return true;
  }

  // The window is from here on its first chunk; the result says how many there are.
  Status CutWindow(WindowPlan& plan) {
    further_ends_.clear();
    int64_t rows_max = RowsOfAChunk(request_.chunk, plan.table);
    // The keys of a window whose rows replace others at other times are held in memory.
    if (plan.identity.key_spans_time) rows_max = std::min(rows_max, KeysInMemory(request_.memory_bytes) / 2);
    if (plan.window.empty() || result_.rows_expected <= rows_max) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        auto ends, AskChunkEnds(context_.source, plan.table, plan.cursor, plan.window, rows_max, request_.settings));
    result_.chunks = static_cast<int64_t>(ends.size());
    if (request_.dry_run || ends.size() == 1) return Status::OK();
    plan.window = PlanWindow(plan.window.from, ends.front(), 0, std::nullopt, plan.cursor);
    result_.window = plan.window;
    further_ends_.assign(ends.begin() + 1, ends.end());
    return Status::OK();
  }

  int64_t Readers(const WindowPlan& plan) const { return IsOneSlice(request_, plan) ? 1 : request_.readers; }

  // Slices of about as many rows for each of the queries that read the window side by side.
  Status SplitForReaders(WindowPlan& plan) {
    if (plan.window.empty()) return Status::OK();
    const int64_t rows = result_.chunks > 1 ? std::min(result_.rows_expected, RowsOfAChunk(request_.chunk, plan.table))
                                            : result_.rows_expected;
    const int64_t readers = Readers(plan);
    CutOptions options;
    options.settings = request_.settings;
    const int64_t slices = readers * plan.table.shards;
    if (readers > 1 && rows >= request_.rows_for_readers) options.rows_max = (rows + slices - 1) / slices;
    ARROW_ASSIGN_OR_RAISE(plan.slices, CutOnShards(context_.source, plan.table, plan.cursor, plan.identity, plan.window,
                                                   plan.replicas, options));
    return Status::OK();
  }

  std::vector<std::string> SelectTexts(const WindowPlan& plan) const {
    std::vector<std::string> texts;
    const SliceSelect select = SelectOf(request_, plan);
    for (const SliceRange& slice : plan.slices) texts.push_back(select.Of(slice.where));
    return texts;
  }

  Result<bool> WriteAndCommit(WindowPlan& plan, const std::string& commit_id) {
    Status prepared = PrepareTarget(context_, request_, plan.target);
    if (KindOf(prepared) == ErrorKind::kConflict) return false;
    ARROW_RETURN_NOT_OK(prepared);
    auto began = Steady::now();
    const OffloadPlan frozen = FreezePlan(request_, plan, commit_id);
    ARROW_ASSIGN_OR_RAISE(SliceResult written, WriteWindow(plan, frozen, commit_id));
    result_.seconds_writing += SecondsSince(began);
    result_.seconds_slice.Add(written.seconds);
    began = Steady::now();
    result_.rows = written.rows;
    max_sequence_ = written.max_sequence;
    result_.files = static_cast<int64_t>(written.files.size());
    result_.bytes = 0;
    for (const auto& file : written.files) result_.bytes += file.file_size_in_bytes;
    result_.bytes_read = written.bytes_read;
    Tell("committing", result_.rows, result_.bytes_read, result_.bytes);
    auto done = Commit(plan, frozen, written);
    result_.seconds_committing += SecondsSince(began);
    if (done.ok() && *done) Tell("committed", result_.rows, result_.bytes_read, result_.bytes);
    return done;
  }

  // Where a server of a cluster goes away amid its answer, the others that hold the window are there to read it from.
  Result<SliceResult> WriteWindow(const WindowPlan& plan, const OffloadPlan& frozen, const std::string& commit_id) {
    const int tries_max = plan.replicas ? kReadsMax : 1;
    for (int reads = 1;; ++reads) {
      const std::string prefix = reads == 1 ? commit_id : fmt::format("{}-r{}", commit_id, reads);
      auto written = WriteAll(plan, frozen, prefix);
      if (written.ok() || KindOf(written.status()) != ErrorKind::kRetry || reads == tries_max) return written;
      ARROW_RETURN_NOT_OK(context_.stop.Check());
      Note(fmt::format("the window is read anew, from other replicas where there are any: {}",
                       MessageOf(written.status())));
    }
  }

  // Rows of two shards come in turns, so that sorted ones make files for each shard.
  Result<SliceResult> WriteAll(const WindowPlan& plan, const OffloadPlan& frozen, const std::string& prefix) {
    std::vector<std::vector<SliceRange>> groups;
    if (plan.table.shards > 1 && !request_.sort_by.empty()) {
      for (const SliceRange& slice : plan.slices) groups.push_back({slice});
    } else {
      groups = {plan.slices};
    }
    SliceResult whole;
    for (size_t i = 0; i < groups.size(); ++i) {
      SliceWriting writing{frozen.data_location, groups.size() == 1 ? prefix : fmt::format("{}-s{}", prefix, i + 1),
                           request_.memory_bytes};
      ARROW_ASSIGN_OR_RAISE(SlicePlan slice, WritingOf(frozen, groups[i], writing));
      slice.readers = std::min(Readers(plan) * plan.table.shards, std::max<int64_t>(request_.readers, kShardsAtOnce));
      auto written = WriteSlice(context_.source, context_.file_io, slice, context_.stop,
                                [&](int64_t rows, int64_t in, int64_t out) {
                                  Tell("reading", whole.rows + rows, whole.bytes_read + in, out);
                                });
      if (!written.ok()) {
        for (const auto& file : whole.files) {
          Status deleted = context_.file_io.Delete(file.file_path);
          static_cast<void>(deleted);  // leftovers are found by orphan removal
        }
        return written.status();
      }
      whole.Add(std::move(*written));
    }
    return whole;
  }

  Result<bool> Commit(const WindowPlan& plan, const OffloadPlan& frozen, const SliceResult& written) {
    // From here on a stop waits: the step at hand is finished, and its outcome known.
    WindowCommit commit = CommitOf(frozen, *plan.target.table, written.files, written.rows, written.max_sequence);
    if (plan.identity.key_spans_time && plan.target.table->metadata.CurrentSnapshot()) {
      ARROW_RETURN_NOT_OK(ReplaceOlder(plan, commit));
    }
    auto committed = CommitOrDelete(context_.catalog, context_.file_io, context_.clock, commit);
    // What the window was to replace is no longer there.
    if (!commit.removed.empty() && KindOf(committed.status()) == ErrorKind::kConflict) return false;
    ARROW_RETURN_NOT_OK(committed.status());
    if (!committed->has_value()) return false;
    result_.snapshot_id = (*committed)->snapshot_id;
    result_.watermark = plan.window.to;
    return true;
  }

  // Adds to the commit what the window's rows replace. Where it fails the window's files are deleted here.
  Status ReplaceOlder(const WindowPlan& plan, WindowCommit& commit) {
    const VerifyContext context{&context_.source, context_.catalog, context_.file_io,
                                context_.clock,   context_.stop,    context_.progress};
    VerifyRequest request;
    request.memory_bytes = request_.memory_bytes;
    request.settings = request_.settings;
    auto replace = [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(VerifyPlan by_key, PlanByKey(plan.table, plan.cursor, plan.target.columns,
                                                         plan.target.table->metadata, plan.identity.key));
      RowReplacement replacement(context, request, by_key);
      ARROW_ASSIGN_OR_RAISE(auto files,
                            ReplaceOlderVersions(context, request, by_key, plan.window, commit.files, replacement));
      replacement.Release();
      commit.files.insert(commit.files.end(), files.added.begin(), files.added.end());
      commit.removed = std::move(files.removed);
      result_.rows_removed = files.rows_removed;
      return Status::OK();
    };
    Status replaced = replace();
    if (!replaced.ok()) {
      for (const auto& file : commit.files) {
        Status deleted = context_.file_io.Delete(file.file_path);
        static_cast<void>(deleted);  // leftovers are found by orphan removal
      }
    }
    if (!commit.removed.empty()) commit.stamp.kind = "upsert";
    return replaced;
  }

  // The window is in by now: what goes wrong here is a note, and the next run looks again.
  void LookForLateRows() {
    if (!late_) return;
    const auto began = Steady::now();
    source_.SetPurpose("late");
    auto late = OffloadLateRows(context_, request_, *late_);
    result_.seconds_late += SecondsSince(began);
    if (!late.ok()) {
      Note(fmt::format("rows behind the watermark could not be looked for: {}", MessageOf(late.status())));
      return;
    }
    for (std::string& note : late->notes) Note(std::move(note));
    late->notes.clear();
    result_.late = std::move(*late);
    if (!result_.late.snapshot_id) return;
    context_.progress.Tell(LateEvent(request_, result_, source_.run_id(), SecondsSince(began)));
  }

  source::RunSource source_;
  const OffloadContext context_;  // the caller's, with this source
  const OffloadRequest& request_;
  const ChunksDone& before_;
  std::vector<TimestampMicros> further_ends_;
  RunLog log_;
  bool told_failure_ = false;  // to the journal
  const Steady::time_point start_ = Steady::now();
  OffloadResult result_;
  std::optional<int64_t> max_sequence_;
  std::optional<LateLook> late_;  // as of the latest round
};

}  // namespace

Result<WindowOutcome> OffloadWindow(const OffloadContext& context, const OffloadRequest& request,
                                    const ChunksDone& before) {
  Offload offload(context, request, before);
  ARROW_ASSIGN_OR_RAISE(OffloadResult result, offload.Run());
  return WindowOutcome{std::move(result), offload.further_ends()};
}

}  // namespace calve::offload
