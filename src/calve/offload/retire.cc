#include "calve/offload/retire.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "calve/offload/drop_parts.h"
#include "calve/offload/retired_mark.h"
#include "calve/offload/source_select.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/view.h"

namespace calve::offload {
namespace {

constexpr int64_t kRetireBucketMicros = 3'600 * kMicrosPerSecond;
constexpr std::pair kDropPartSince{20, 11};
constexpr size_t kRangesOfAQueryMax = 100;
constexpr size_t kNotesOfBucketsMax = 20;
constexpr const char* kSharedKeys = "keys of its rows are in other parts as well";

using Steady = std::chrono::steady_clock;

class Retire {
 public:
  Retire(const OffloadContext& context, const RetireRequest& request) : context_(context), request_(request) {}

  Result<RetireResult> Run() {
    std::optional<TableLease> lease;
    if (!Begin(lease)) {
      ARROW_RETURN_NOT_OK(Plan());
      ARROW_RETURN_NOT_OK(FindParts());
      ARROW_RETURN_NOT_OK(VerifyParts());
      if (!request_.dry_run && !choice_.chosen.empty()) {
        ARROW_RETURN_NOT_OK(GuardViews());
        ARROW_ASSIGN_OR_RAISE(result_.retired_to,
                              MarkRetired(context_.catalog, request_.target, table_uuid_, *result_.snapshot_id,
                                          LastOfChosen(), SleepUnlessStopped()));
        Drop();
      } else {
        result_.dropped = choice_.chosen;
      }
      result_.kept = std::move(choice_.kept);
      result_.newer = choice_.newer;
    }
    result_.seconds = std::chrono::duration<double>(Steady::now() - start_).count();
    return std::move(result_);
  }

 private:
  void Note(std::string text) {
    context_.progress.Note(text);
    result_.notes.push_back(std::move(text));
  }

  std::string SourceName() const { return table_.FullName(); }
  source::QueryOptions Settings() const { return {"", request_.settings}; }

  // Takes the table's lease, which is the offload's as well. True: another calve has it.
  bool Begin(std::optional<TableLease>& lease) {
    result_.table = request_.source_table;
    result_.target = request_.target.ToString();
    if (!context_.journal || request_.dry_run || request_.lease_micros <= 0) return false;
    lease.emplace(*context_.journal, context_.clock, context_.catalog, context_.file_io, request_.target,
                  request_.lease_micros);
    auto other = lease->Acquire();
    if (!other.ok()) Note(fmt::format("the journal could not be asked who works here: {}", MessageOf(other.status())));
    if (!other.ok() || !*other) return false;
    result_.held_by = **other;
    return true;
  }

  Status Plan() {
    if (context_.source.cluster()) {
      return MakeError(ErrorKind::kUnsupported, "nothing is retired from a cluster as a whole",
                       "Name one server of each shard as the source, without a cluster, one after the other: what it "
                       "drops is dropped on the replicas of a Replicated table, too.");
    }
    ARROW_ASSIGN_OR_RAISE(const source::ServerInfo server, source::AskServer(context_.source));
    ARROW_ASSIGN_OR_RAISE(table_, source::DescribeTable(context_.source, request_.source_table));
    result_.table = SourceName();
    if (!table_.engine.ends_with("MergeTree") || table_.engine.find("Graphite") != std::string::npos) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("{} has the engine {}: nothing can be retired from it", SourceName(), table_.engine),
                       "Only tables of the MergeTree family keep parts that can be dropped; of a Distributed table or "
                       "a view, name the table behind it on each server.");
    }
    if (std::pair(server.major, server.minor) < kDropPartSince) {
      return MakeError(
          ErrorKind::kUnsupported,
          fmt::format("ClickHouse {} has no ALTER TABLE … DROP PART: nothing can be retired from {}", server.version,
                      SourceName()),
          "Upgrade it to 20.11 or later; or drop old partitions by hand, when nothing is inserted into them "
          "any more and `calve verify` finds them equal.");
    }
    ARROW_ASSIGN_OR_RAISE(cursor_, ResolveCursor(table_, request_.timestamp_column));
    ARROW_ASSIGN_OR_RAISE(const catalog::LoadedTable target, context_.catalog.LoadTable(request_.target));
    table_uuid_ = target.metadata.table_uuid;
    target_location_ = target.metadata.location;
    ARROW_RETURN_NOT_OK(FindLimit(target.metadata, server.now));
    ARROW_RETURN_NOT_OK(CheckColumnsAreSeen(context_.source, table_));
    return CheckNothingIsPending(context_.source, table_);
  }

  Status FindLimit(const iceberg::TableMetadata& target, TimestampMicros now) {
    ARROW_ASSIGN_OR_RAISE(const auto watermark, ReadWatermark(target));
    if (!watermark) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} has no watermark", request_.target.ToString()),
                       "Offload the table with calve first.");
    }
    const std::string before = SourceTableOf(watermark->stamp.source);
    if (!before.empty() && before != SourceName()) {
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("{} is the target of {}, not of {}", request_.target.ToString(), before, SourceName()),
          "Name the table that was offloaded into it with --source-table.");
    }
    result_.watermark = watermark->stamp.window_to;
    ARROW_ASSIGN_OR_RAISE(result_.retired_to, ReadRetiredTo(target));
    const TimestampMicros asked = request_.before ? *request_.before - 1 : now - request_.older_than_micros.value_or(0);
    // Rounded down to what the cursor can hold, as a window is.
    const TimestampMicros rounded = PlanWindow(std::nullopt, asked, 0, std::nullopt, cursor_).to;
    result_.limit = std::min(rounded, *result_.watermark);
    if (result_.limit < rounded) {
      Note(fmt::format("the limit is the watermark, {}", FormatTimestamp(result_.limit)));
    }
    return Status::OK();
  }

  Status FindParts() {
    ARROW_RETURN_NOT_OK(ListAndChoose());
    if (!ReadsMerged(table_.merging_engine()) || choice_.chosen.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto shared, AskSharedKeys());
    if (!shared.empty() && request_.optimize && !request_.dry_run) {
      ARROW_RETURN_NOT_OK(MergePartitionsOf(shared));
      ARROW_RETURN_NOT_OK(ListAndChoose());
      ARROW_ASSIGN_OR_RAISE(shared, AskSharedKeys());
    }
    KeepParts(choice_, shared, true, kSharedKeys);
    ARROW_RETURN_NOT_OK(KeepAllWhereRowsAreHidden());
    if (!shared.empty() && !request_.optimize) {
      Note(
          fmt::format("parts of {} share keys, and dropping one could bring back an older version of a row, or leave a "
                      "part of a sum: they stay until they are merged; --optimize merges them first",
                      SourceName()));
    }
    return Status::OK();
  }

  // A hidden row may be an older version of one that would go, and come back for all who see it.
  Status KeepAllWhereRowsAreHidden() {
    if (std::none_of(parts_.begin(), parts_.end(), [](const HotPart& part) { return part.rows_hidden() > 0; })) {
      return Status::OK();
    }
    // Of a part that was merged away meanwhile no row was seen.
    ARROW_ASSIGN_OR_RAISE(const auto active, ActivePartNames(context_.source, table_));
    int64_t hidden = 0;
    for (const HotPart& part : parts_) hidden += active.contains(part.name) ? part.rows_hidden() : 0;
    if (hidden == 0) return Status::OK();
    KeepParts(choice_, {}, false,
              fmt::format("{} rows of the table are hidden from this user, and may be of the same keys", hidden));
    return Status::OK();
  }

  Status ListAndChoose() {
    ARROW_ASSIGN_OR_RAISE(parts_, ListHotParts(context_.source, table_, cursor_, result_.limit, Settings()));
    choice_ = ChooseParts(parts_, result_.limit);
    return Status::OK();
  }

  Result<std::set<std::string>> AskSharedKeys() const {
    std::set<std::string> shared;
    for (const std::string& query : SharedKeyQueries(table_, cursor_, parts_, choice_.chosen)) {
      ARROW_RETURN_NOT_OK(context_.stop.Check());
      ARROW_ASSIGN_OR_RAISE(auto names, AskNames(context_.source, query, Settings()));
      shared.merge(names);
    }
    return shared;
  }

  // Those that can go as a whole.
  Status MergePartitionsOf(const std::set<std::string>& shared) {
    std::map<std::string, size_t> parts, chosen;
    std::set<std::string> wanted;
    for (const HotPart& part : parts_) ++parts[part.partition_id];
    for (const HotPart& part : choice_.chosen) {
      ++chosen[part.partition_id];
      if (shared.contains(part.name)) wanted.insert(part.partition_id);
    }
    for (const std::string& partition : wanted) {
      if (parts[partition] < 2 || chosen[partition] < parts[partition]) continue;
      ARROW_RETURN_NOT_OK(context_.stop.Check());
      const std::string sql =
          fmt::format("OPTIMIZE TABLE {}.{} PARTITION ID {} FINAL", source::QuoteIdentifier(table_.database),
                      source::QuoteIdentifier(table_.name), source::QuoteString(partition));
      // What it did is seen in the parts.
      Status merged = context_.source.Execute(sql, {});
      if (!merged.ok()) Note(fmt::format("partition {} could not be merged: {}", partition, MessageOf(merged)));
    }
    return Status::OK();
  }

  TimestampMicros LastOfChosen() const {
    TimestampMicros last = INT64_MIN;
    for (const HotPart& part : choice_.chosen) last = std::max(last, part.last);
    return last;
  }

  // All of hot in the range of the chosen parts, also what other parts hold: of a row that hot has twice and cold once,
  // neither copy may go, or nothing would ever show that one is missing.
  Status VerifyParts() {
    if (choice_.chosen.empty()) return Status::OK();
    VerifyRequest verify;
    verify.source_table = request_.source_table;
    verify.target = request_.target;
    verify.timestamp_column = request_.timestamp_column;
    verify.columns = request_.columns;
    const RetireRange range = RangeOf(choice_.chosen, result_.limit);
    verify.from = range.from;
    verify.to = range.to;
    verify.bucket_micros = kRetireBucketMicros;
    verify.key = request_.key;
    verify.memory_bytes = request_.memory_bytes;
    verify.settings = request_.settings;
    const VerifyContext context{&context_.source, context_.catalog, context_.file_io,
                                context_.clock,   context_.stop,    context_.progress};
    ARROW_ASSIGN_OR_RAISE(VerifyResult verified, VerifyTable(context, verify));
    for (std::string& note : verified.notes) result_.notes.push_back(std::move(note));
    result_.snapshot_id = verified.snapshot_id;
    result_.rows_verified = verified.rows_hot;
    ARROW_RETURN_NOT_OK(CheckColumns(verified));
    ARROW_RETURN_NOT_OK(KeepWhatDiffers(verified));
    return KeepWhatIsGone(verified);
  }

  Status CheckColumns(const VerifyResult& verified) const {
    for (const std::string& name : verified.columns_not_compared) {
      const bool in_hot = std::any_of(table_.columns.begin(), table_.columns.end(),
                                      [&](const source::SourceColumn& column) { return column.name == name; });
      const auto& excluded = request_.columns.excluded;
      if (!in_hot || std::find(excluded.begin(), excluded.end(), name) != excluded.end()) continue;
      return MakeError(ErrorKind::kConfig,
                       fmt::format("column {} of {} is not in {}: its values would be lost", name, SourceName(),
                                   request_.target.ToString()),
                       "calve offload adds it with the next rows; name it with --exclude where it may be lost.");
    }
    return Status::OK();
  }

  Status KeepWhatDiffers(VerifyResult& verified) {
    const auto ranges = BlockedRanges(verified, kRetireBucketMicros, cursor_, request_.strict);
    std::set<std::string> blocked;
    for (size_t i = 0; i < ranges.size(); i += kRangesOfAQueryMax) {
      const size_t end = std::min(ranges.size(), i + kRangesOfAQueryMax);
      const std::vector<Window> some(ranges.begin() + static_cast<int64_t>(i),
                                     ranges.begin() + static_cast<int64_t>(end));
      ARROW_ASSIGN_OR_RAISE(
          auto names, AskNames(context_.source, PartsInRangesQuery(table_, cursor_, choice_.chosen, some), Settings()));
      blocked.merge(names);
    }
    KeepParts(choice_, blocked, true, "cold does not hold all of hot's rows of its hours", /*differs=*/true);
    int64_t defaulted = 0;
    for (BucketResult& bucket : verified.differences) {
      defaulted += bucket.defaulted;
      if (!Blocks(bucket, request_.strict)) continue;
      if (result_.differences.size() < kNotesOfBucketsMax) {
        Note(fmt::format("hour {}: {} rows of hot are not in cold, {} are there with other values",
                         FormatTimestamp(bucket.start), bucket.missing,
                         bucket.changed + (request_.strict ? bucket.defaulted : 0)));
      }
      result_.differences.push_back(std::move(bucket));
    }
    if (!result_.differences.empty()) {
      Note(
          fmt::format("nothing of {} hour{} is dropped: calve offload appends rows that came late (see --key there); "
                      "calve verify --rows "
                      "3 shows what differs",
                      result_.differences.size(), result_.differences.size() == 1 ? "" : "s"));
    }
    if (defaulted > 0 && !request_.strict) {
      Note(
          fmt::format("{} rows are older than a column: it is NULL in cold, and hot gives a default (--strict keeps "
                      "them)",
                      defaulted));
    }
    return Status::OK();
  }

  // A part that was there before and after was read.
  Status KeepWhatIsGone(const VerifyResult& verified) {
    ARROW_ASSIGN_OR_RAISE(const auto active, ActivePartNames(context_.source, table_));
    KeepParts(choice_, active, false, "it was merged or changed meanwhile: the next run looks at what it became");
    if (choice_.chosen.empty()) return Status::OK();
    if (!verified.watermark || *verified.watermark < LastOfChosen() || !verified.snapshot_id) {
      return MakeError(ErrorKind::kConflict, "the watermark moved back while this run looked at the table",
                       "Run calve offload, then again.");
    }
    const int64_t rows = std::accumulate(choice_.chosen.begin(), choice_.chosen.end(), int64_t{0},
                                         [](int64_t sum, const HotPart& part) { return sum + part.rows_seen; });
    if (!ReadsMerged(table_.merging_engine()) && verified.rows_hot < rows) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("{} rows were verified, and the parts to drop hold {}", verified.rows_hot, rows),
                       "Rows were deleted meanwhile, or settings limit what is read: run again without --setting.");
    }
    return Status::OK();
  }

  // A view over both takes rows behind its split from hot.
  Status GuardViews() {
    if (!request_.view.empty()) {
      auto moved = MakeView(context_, {request_.source_table, /*query=*/"", /*where=*/"", request_.target,
                                       request_.timestamp_column, request_.columns, request_.view, /*create=*/true});
      ARROW_RETURN_NOT_OK(WithContext(moved.status(), "nothing was dropped, for the view could not be refreshed"));
    }
    const std::string path = storage::LocalPath(target_location_);
    if (path.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        const auto views,
        source::QueryRows(context_.source,
                          fmt::format("SELECT database, name, as_select FROM system.tables WHERE engine "
                                      "= 'View' AND position(as_select, {}) > 0",
                                      source::QuoteString(source::QuoteString(path)))));
    for (const auto& view : views) {
      const auto split = SplitOfView(view.at(2));
      if (!split || *split >= LastOfChosen()) continue;
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("the view {}.{} takes rows after {} from {}: it would lose rows", view.at(0), view.at(1),
                      FormatTimestamp(*split), SourceName()),
          fmt::format("Name it with --view {}.{}, or drop it if nobody needs it.", view.at(0), view.at(1)));
    }
    return Status::OK();
  }

  Sleep SleepUnlessStopped() const {
    return [this](int64_t milliseconds) {
      for (; milliseconds > 0 && !context_.stop.stopped(); milliseconds -= 100) {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(milliseconds, 100)));
      }
      return context_.stop.Check();
    };
  }

  void Drop() {
    const VerifiedCold cold{request_.target, table_uuid_, *result_.snapshot_id};
    DropOutcome outcome = DropParts(context_, table_, cold, std::exchange(choice_.chosen, {}));
    result_.dropped = std::move(outcome.dropped);
    for (KeptPart& part : outcome.kept) choice_.kept.push_back(std::move(part));
    result_.ended_early = std::move(outcome.ended_early);
  }

  const OffloadContext& context_;
  const RetireRequest& request_;
  const Steady::time_point start_ = Steady::now();
  source::SourceTable table_;
  Cursor cursor_;
  std::string table_uuid_, target_location_;
  std::vector<HotPart> parts_;  // all
  RetireChoice choice_;
  RetireResult result_;
};

}  // namespace

int64_t RetireResult::rows() const {
  return std::accumulate(dropped.begin(), dropped.end(), int64_t{0},
                         [](int64_t sum, const HotPart& part) { return sum + part.rows; });
}

int64_t RetireResult::bytes() const {
  return std::accumulate(dropped.begin(), dropped.end(), int64_t{0},
                         [](int64_t sum, const HotPart& part) { return sum + part.bytes; });
}

Result<RetireResult> RetireTable(const OffloadContext& context, const RetireRequest& request) {
  return Retire(context, request).Run();
}

}  // namespace calve::offload
