#include "calve/offload/window_offload.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "calve/base/random.h"
#include "calve/offload/beginning.h"
#include "calve/offload/late.h"
#include "calve/offload/older_versions.h"
#include "calve/offload/run_log.h"
#include "calve/offload/source_select.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/target.h"
#include "calve/offload/window_events.h"
#include "calve/source/run_source.h"

namespace calve::offload {
namespace {

constexpr int kRoundsMax = 5;  // windows lost to other calves before giving up
// Blocks that wait for the encoder: enough to even out the two sides. More would only be touched, never waited for.
constexpr int64_t kWindowQueueBytesMax = 32 << 20;

using Steady = std::chrono::steady_clock;
double SecondsSince(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// What is known before anything is written.
struct Plan {
  source::ServerInfo server;
  source::SourceTable table;
  Cursor cursor;
  RowIdentity identity;
  Target target;
  std::optional<TimestampMicros> table_watermark;  // as the target's snapshots tell it
  std::optional<CommitStamp> stamp;                // that it is of
  bool adopts_row = false;                         // the window begins where the Spark job's row says
  Window window;
  std::vector<Window> parts;  // of the window, one for each query that reads it; in order
};

class Offload {
 public:
  Offload(const OffloadContext& context, const OffloadRequest& request, const ChunksDone& before)
      : source_(context.source, request.source_table, [&context](const Event& event) { context.progress.Tell(event); }),
        context_{source_,       context.catalog, context.file_io, context.journal,
                 context.clock, context.stop,    context.progress},
        request_(request),
        before_(before),
        log_(context_, request) {}

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
    std::string table = fmt::format("{} in {}", request_.target.ToString(), context_.catalog.name());
    lease.emplace(*context_.journal, context_.clock, std::move(table), request_.lease_micros);
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
    ARROW_ASSIGN_OR_RAISE(Plan plan, MakePlan());
    for (const std::string& note : plan.target.notes) Note(note);
    result_.table = plan.table.FullName();
    result_.target = request_.target.ToString();
    result_.window = plan.window;
    result_.watermark = plan.window.from;
    ARROW_RETURN_NOT_OK(CountRows(plan));
    ARROW_RETURN_NOT_OK(CutWindow(plan));
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

  Result<Plan> MakePlan() {
    Plan plan;
    // Read while ClickHouse is asked: a large table's metadata takes as long. Whoever commits to it meanwhile makes
    // this window's commit a conflict, as between any plan and its commit.
    auto loading = std::async(std::launch::async, [this] { return context_.catalog.LoadTable(request_.target); });
    ARROW_ASSIGN_OR_RAISE(plan.server, source::AskServer(context_.source));
    ARROW_ASSIGN_OR_RAISE(plan.table,
                          DescribeRows(context_.source, request_.source_table, request_.query, request_.where));
    ARROW_ASSIGN_OR_RAISE(plan.cursor, ResolveCursor(plan.table, request_.timestamp_column));
    ARROW_RETURN_NOT_OK(CheckSequence(plan.table));
    ARROW_RETURN_NOT_OK(CheckRenamed(plan.cursor.column));
    ARROW_ASSIGN_OR_RAISE(plan.identity,
                          ResolveIdentity(request_.mode, plan.table, request_.timestamp_column, request_.key));
    if (!plan.identity.note.empty()) Note(plan.identity.note);
    // Before the rows are read: what comes later is told from what was there.
    late_ = LateLook{plan.table, plan.cursor, std::nullopt, {}, SeenParts{}, std::nullopt, plan.identity};
    // Engines other than MergeTree's keep no parts; and with --mode append what merges has no key to be told by.
    looks_for_late_ = request_.lookback_micros > 0 && plan.table.engine.ends_with("MergeTree") &&
                      (plan.identity.mode == Mode::kUpsert || !ReadsMerged(plan.table.merging_engine()));
    if (request_.lookback_micros > 0 && !plan.table.engine.ends_with("MergeTree")) {
      Note(
          fmt::format("rows that come late are not looked for: {} is {}, which has no parts to tell them by; calve "
                      "verify --repair finds them (a look-back of 0s says that this is known)",
                      plan.table.FullName(), plan.table.query.empty() ? plan.table.engine : "a query"));
    }
    if (request_.lookback_micros > 0 && request_.mode == Mode::kAppend && ReadsMerged(plan.table.merging_engine())) {
      Note(
          fmt::format("rows that come late are not looked for: {} merges rows, and --mode append has no key to tell "
                      "them by; calve verify --repair finds them (a look-back of 0s says that this is known)",
                      plan.table.FullName()));
    }
    if (looks_for_late_) {
      auto parts = ListParts(context_.source, plan.table);
      looks_for_late_ = parts.ok();
      if (parts.ok())
        late_->parts = std::move(*parts);
      else
        Note(fmt::format("rows behind the watermark cannot be looked for: {}", MessageOf(parts.status())));
    }
    auto planned = PlanTarget(context_, request_, plan.table, loading.get());
    if (!planned.ok()) return WithContext(planned.status(), plan.table.FullName());
    plan.target = std::move(*planned);
    ARROW_RETURN_NOT_OK(CheckKey(plan));
    if (looks_for_late_) {
      const auto& target = plan.target.table;
      late_->seen = ReadSeenParts(context_, request_, plan.table, target ? &target->metadata : nullptr);
    }
    ARROW_RETURN_NOT_OK(FindWindow(plan));
    return plan;
  }

  Status CheckSequence(const source::SourceTable& table) const {
    if (request_.sequence_column.empty()) return Status::OK();
    for (const source::SourceColumn& column : table.columns) {
      if (column.name == request_.sequence_column) return Status::OK();
    }
    return MakeError(ErrorKind::kNotFound,
                     fmt::format("table {} has no column {}", table.FullName(), request_.sequence_column),
                     "Name an existing column with --sequence-col, or leave it out.");
  }

  // Hot and cold are compared by it.
  Status CheckRenamed(const std::string& cursor) const {
    const auto found = request_.columns.renamed.find(cursor);
    if (found == request_.columns.renamed.end()) return Status::OK();
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} is the cursor, and cannot be called {} in the target", cursor, found->second),
                     "Leave its name, and add a column of the other name: an expression.");
  }

  Status CheckKey(const Plan& plan) const {
    for (const std::string& name : plan.identity.key) {
      const auto& columns = plan.target.columns;
      if (std::any_of(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; }))
        continue;
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("{} is part of the key that tells rows of {} apart, and is not among the columns offloaded", name,
                      plan.table.FullName()),
          "Do not exclude or rename it, name another key with --key, or use --mode append.");
    }
    return Status::OK();
  }

  // Fixes the window.
  Status FindWindow(Plan& plan) {
    const auto& target = plan.target.table;
    ARROW_ASSIGN_OR_RAISE(Beginning beginning,
                          FindBeginning(context_, request_, plan.table, target ? &target->metadata : nullptr));
    if (beginning.adopts_row) {
      Note(fmt::format("adopted the watermark {} of offload_watermarks", FormatTimestamp(*beginning.from)));
    }
    if (!beginning.note.empty()) Note(beginning.note);
    plan.adopts_row = beginning.adopts_row;
    if (beginning.watermark) {
      plan.stamp = beginning.watermark->stamp;
      plan.table_watermark = plan.stamp->window_to;
    }
    // Behind its first window is nothing that calve loaded.
    late_->up_to = beginning.watermark ? beginning.from : std::nullopt;
    if (target) {
      const std::string start = target->metadata.Property(kStartProperty, "");
      // One that does not parse protects everything.
      if (!start.empty()) late_->loaded_from = ParseTimestamp(start).ValueOr(plan.server.now);
    }
    std::optional<TimestampMicros> until = request_.until;
    if (until) *until -= request_.covers_micros;
    plan.window = PlanWindow(beginning.from, plan.server.now, request_.buffer_micros + request_.covers_micros, until,
                             plan.cursor);
    return Status::OK();
  }

  Status CountRows(const Plan& plan) {
    std::string from = FromClause(plan.table);
    std::string column = CursorName(plan.cursor);
    source::QueryOptions options{"", request_.settings};
    auto ask = [&](const std::string& where, int64_t& count) -> Status {
      ARROW_ASSIGN_OR_RAISE(
          auto rows, source::QueryText(context_.source,
                                       fmt::format("SELECT toString(count()) FROM {} WHERE {}", from, where), options));
      count = rows.empty() || rows[0].empty() ? 0 : std::stoll(rows[0][0]);
      return Status::OK();
    };
    result_.rows_expected = 0;
    const std::string filter = plan.table.row_filter.empty() ? "" : fmt::format(" AND (\n{}\n)", plan.table.row_filter);
    if (!plan.window.empty())
      ARROW_RETURN_NOT_OK(ask(WindowPredicate(plan.window, plan.cursor) + filter, result_.rows_expected));
    ARROW_RETURN_NOT_OK(
        ask(fmt::format("{} > {}", column, CursorLiteral(plan.server.now, plan.cursor)), result_.rows_future_cursor));
    if (plan.cursor.nullable) ARROW_RETURN_NOT_OK(ask(fmt::format("{} IS NULL", column), result_.rows_null_cursor));
    if (result_.rows_future_cursor > 0) {
      Note(fmt::format("{} rows of {} have a {} beyond the server's clock; they are offloaded when their time has come",
                       result_.rows_future_cursor, plan.table.FullName(), plan.cursor.column));
    }
    if (result_.rows_null_cursor > 0) {
      Note(fmt::format("{} rows of {} have no {} (NULL) and are never offloaded", result_.rows_null_cursor,
                       plan.table.FullName(), plan.cursor.column));
    }
    return Status::OK();
  }

  // The window is from here on its first chunk; the result says how many there are.
  Status CutWindow(Plan& plan) {
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

  // Rows are sorted by one query. Several see the table at different moments: where a key may be at several times, both
  // an older and a newer version of a row could be read.
  int64_t Readers(const Plan& plan) const {
    return request_.sort_by.empty() && !plan.identity.key_spans_time ? request_.readers : 1;
  }

  // Parts of about as many rows, cut as chunks are.
  Status SplitForReaders(Plan& plan) {
    plan.parts = {plan.window};
    const int64_t rows = result_.chunks > 1 ? std::min(result_.rows_expected, RowsOfAChunk(request_.chunk, plan.table))
                                            : result_.rows_expected;
    const int64_t readers = Readers(plan);
    if (readers <= 1 || plan.window.empty() || rows < request_.rows_for_readers) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(plan.parts, AskParts(context_.source, plan.table, plan.cursor, plan.window,
                                               (rows + readers - 1) / readers, request_.settings));
    return Status::OK();
  }

  std::vector<std::string> SelectTexts(const Plan& plan) const {
    std::vector<std::string> texts;
    auto sort = PlanSort(request_.sort_by, plan.target.schema);
    for (const Window& part : plan.parts) {
      texts.push_back(SelectRows(plan.table, plan.target.columns, part, plan.cursor));
      if (sort.ok() && !sort->order_by.empty()) texts.back() += " ORDER BY " + sort->order_by;
    }
    return texts;
  }

  Result<bool> WriteAndCommit(Plan& plan, const std::string& commit_id) {
    Status prepared = PrepareTarget(context_, request_, plan.target);
    if (KindOf(prepared) == ErrorKind::kConflict) return false;
    ARROW_RETURN_NOT_OK(prepared);
    auto began = Steady::now();
    ARROW_ASSIGN_OR_RAISE(SlicePlan slice, PlanSlice(plan, commit_id));
    ARROW_ASSIGN_OR_RAISE(SliceResult written,
                          WriteSlice(context_.source, context_.file_io, slice, context_.stop,
                                     [&](int64_t rows, int64_t in, int64_t out) { Tell("reading", rows, in, out); }));
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
    auto done = Commit(plan, written, commit_id);
    result_.seconds_committing += SecondsSince(began);
    if (done.ok() && *done) Tell("committed", result_.rows, result_.bytes_read, result_.bytes);
    return done;
  }

  Result<SlicePlan> PlanSlice(const Plan& plan, const std::string& commit_id) const {
    const iceberg::TableMetadata& metadata = plan.target.table->metadata;
    SlicePlan slice;
    for (std::string& sql : SelectTexts(plan)) slice.queries.push_back({std::move(sql), {"", request_.settings}});
    slice.readers = Readers(plan);
    slice.window = plan.window;
    for (const SelectedColumn& column : plan.target.columns) {
      bool plain = column.expression == source::QuoteIdentifier(column.name);
      if (plain && column.name == plan.cursor.column) slice.cursor_column = plan.cursor.column;
    }
    slice.sequence_column = request_.sequence_column;
    slice.write = datafile::WriteContext{
        metadata.schema(), metadata.spec(),
        metadata.Property("write.data.path", storage::JoinLocation(metadata.location, "data")), commit_id};
    datafile::WriterOptions base;
    slice.queue_bytes_max = std::min(request_.memory_bytes / 4, kWindowQueueBytesMax);
    base.memory_bytes = request_.memory_bytes - slice.queue_bytes_max;
    ARROW_ASSIGN_OR_RAISE(slice.writer, datafile::WriterOptionsFromProperties(metadata.properties, base));
    slice.writer.sort_order_id = plan.target.order.order_id;
    return slice;
  }

  Result<bool> Commit(const Plan& plan, const SliceResult& written, const std::string& commit_id) {
    // From here on a stop waits: the step at hand is finished, and its outcome known.
    WindowCommit commit{request_.target, *plan.target.table, plan.table_watermark, written.files, {}};
    commit.stamp.source = fmt::format("{}/{}/{}", plan.server.uuid, plan.table.FullName(), plan.table.uuid);
    commit.stamp.window_from = plan.window.from;
    if (!plan.table_watermark) commit.start_from = plan.window.from;
    commit.stamp.window_to = plan.window.to;
    commit.stamp.max_sequence = written.max_sequence;
    commit.stamp.rows = written.rows;
    commit.stamp.commit_id = commit_id;
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
  Status ReplaceOlder(const Plan& plan, WindowCommit& commit) {
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
    if (!looks_for_late_) return;
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
  bool looks_for_late_ = false;
};

}  // namespace

Result<WindowOutcome> OffloadWindow(const OffloadContext& context, const OffloadRequest& request,
                                    const ChunksDone& before) {
  Offload offload(context, request, before);
  ARROW_ASSIGN_OR_RAISE(OffloadResult result, offload.Run());
  return WindowOutcome{std::move(result), offload.further_ends()};
}

}  // namespace calve::offload
