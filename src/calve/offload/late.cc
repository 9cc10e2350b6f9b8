#include "calve/offload/late.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "calve/offload/reconcile.h"

namespace calve::offload {
namespace {

constexpr int64_t kBucketMicros = 3'600 * kMicrosPerSecond;

std::string JournalKey(const OffloadContext& context, const OffloadRequest& request) {
  return fmt::format("{} in {}", request.target.ToString(), context.catalog.name());
}
// Block numbers begin anew with a table that is made anew.
std::string SourceKey(const source::SourceTable& table) {
  return fmt::format("{}.{} {}", table.database, table.name, table.uuid);
}

class Late {
 public:
  Late(const OffloadContext& context, const OffloadRequest& request, const LateLook& look)
      : context_(context),
        request_(request),
        look_(look),
        verify_{VerifyContext{&context.source, context.catalog, context.file_io, context.clock, context.stop,
                              context.progress}},
        basis_(look.seen.basis) {}

  Result<LateRows> Run() {
    bool any_new = false;
    for (const LateShard& shard : look_.shards) any_new |= HasNew(shard);
    if (!any_new) return std::move(result_);
    if (look_.up_to && !Horizon().empty()) {
      std::set<TimestampMicros> buckets;
      for (size_t shard = 0; shard < look_.shards.size(); ++shard) ARROW_RETURN_NOT_OK(AskBuckets(shard, buckets));
      if (!buckets.empty()) ARROW_RETURN_NOT_OK(Compare(buckets));
    }
    SeenParts seen = look_.seen;
    for (const LateShard& shard : look_.shards) {
      PartCoverage& coverage = seen.coverage.emplace(shard.place, Seen(shard)).first->second;
      for (const PartBlocks& part : shard.parts) coverage.Add(part);
    }
    if (settled_ && BasisIsOnMain()) Remember(seen);
    return std::move(result_);
  }

 private:
  PartCoverage Seen(const LateShard& shard) const {
    const auto found = look_.seen.coverage.find(shard.place);
    return found != look_.seen.coverage.end() ? found->second
                                              : PartCoverage(PartCoverage::NumbersByPartition(look_.table.engine));
  }

  bool HasNew(const LateShard& shard) const {
    const PartCoverage seen = Seen(shard);
    return std::any_of(shard.parts.begin(), shard.parts.end(), [&](const auto& part) { return seen.IsNew(part); });
  }

  // A rollback since the parts were read from the journal takes late rows away that were believed to be in cold.
  bool BasisIsOnMain() {
    if (look_.seen.basis.empty()) return true;
    auto target = context_.catalog.LoadTable(request_.target);
    auto trace = target.ok() ? FindCommit(target->metadata, look_.seen.basis) : std::nullopt;
    if (trace && trace->on_main && trace->is_certain) return true;
    result_.notes.push_back(
        "it is not known that main still holds what earlier runs found behind the watermark: the next run looks at all "
        "of it again");
    return false;
  }

  // Forgetting costs one comparison of the whole horizon, nothing else.
  void Remember(const SeenParts& seen) {
    if (!context_.journal) return;
    nlohmann::ordered_json root = {{"basis", basis_}};
    for (const auto& [place, coverage] : seen.coverage) {
      if (place.empty())
        root["coverage"] = coverage.ToJson();
      else
        root["places"][place] = coverage.ToJson();
    }
    const std::string text = root.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    Status written = context_.journal->WritePartsSeen(JournalKey(context_, request_), SourceKey(look_.table), text,
                                                      context_.clock.Now());
    if (!written.ok()) result_.notes.push_back("the journal could not be written: " + MessageOf(written));
  }

  // What others loaded before calve is theirs to answer for: it may hold a row in another form, and is left alone, with
  // the hour that it ends in.
  Window Horizon() const {
    TimestampMicros from = *look_.up_to - request_.lookback_micros;
    if (look_.loaded_from) {
      const int64_t rest = *look_.loaded_from % kBucketMicros;
      const TimestampMicros hour = *look_.loaded_from - (rest < 0 ? rest + kBucketMicros : rest);
      from = std::max(from, hour + kBucketMicros - 1);
    }
    return Window{from, *look_.up_to};
  }

  Status AskBuckets(size_t shard, std::set<TimestampMicros>& buckets) {
    const LateShard& late = look_.shards[shard];
    if (!HasNew(late)) return Status::OK();
    source::QueryOptions options{"", request_.settings};
    if (context_.source.cluster()) options.shard = static_cast<int>(shard);
    options.among = look_.servers;
    ARROW_ASSIGN_OR_RAISE(
        auto rows,
        source::QueryRows(context_.source, LateBucketsQuery(look_, Seen(late), Horizon(), kBucketMicros), options));
    for (const auto& row : rows) buckets.insert(std::stoll(row.at(0)) * kMicrosPerSecond);
    return Status::OK();
  }

  bool upsert() const { return look_.identity.mode == Mode::kUpsert; }

  ReconcileRequest ReconcileRequestOf(const std::set<TimestampMicros>& buckets) const {
    ReconcileRequest reconcile;
    VerifyRequest& verify = reconcile.verify;
    verify.source_table = request_.source_table;
    verify.query = request_.query;
    verify.where = request_.where;
    verify.target = request_.target;
    verify.timestamp_column = request_.timestamp_column;
    verify.columns = request_.columns;
    verify.bucket_micros = kBucketMicros;
    verify.key = look_.identity.key;
    verify.memory_bytes = request_.memory_bytes;
    verify.settings = request_.settings;
    verify.replicas = look_.servers;
    reconcile.policy = upsert() ? ChangePolicy::kUpsert : ChangePolicy::kAppendMissing;
    reconcile.kind = upsert() ? "upsert" : "late";
    for (TimestampMicros bucket : buckets) reconcile.buckets[bucket] = BucketRows{};
    reconcile.up_to = *look_.up_to;
    reconcile.key_spans_time = upsert() && look_.identity.key_spans_time;
    return reconcile;
  }

  Status Compare(const std::set<TimestampMicros>& candidates) {
    ARROW_ASSIGN_OR_RAISE(const ReconcileResult done, Reconcile(verify_, ReconcileRequestOf(candidates)));
    basis_ = done.commit_id;
    result_.buckets = done.buckets;
    result_.rows = done.rows_added;
    result_.rows_removed = done.rows_removed;
    result_.files = done.files_added;
    result_.bytes = done.bytes_added;
    result_.snapshot_id = done.snapshot_id;
    if (done.overtaken) {
      settled_ = false;
      result_.notes.push_back(
          "another writer committed while rows behind the watermark were looked for; the next run "
          "looks again");
    }
    TellWhatWasLeft(done.left);
    if (!done.snapshot_id) return Status::OK();
    result_.notes.push_back(
        upsert()
            ? fmt::format("{} rows behind the watermark were new or had changed: they were put in, and {} that they "
                          "replace or that were deleted taken out",
                          result_.rows, result_.rows_removed)
            : fmt::format("{} rows that were inserted behind the watermark were appended", result_.rows));
    return Status::OK();
  }

  void TellWhatWasLeft(const LeftAlone& left) {
    for (const auto& [bucket, rows] : left.ambiguous) {
      settled_ = false;
      result_.notes.push_back(
          fmt::format("bucket {}: {} rows are only in {}.{} and {} only in {}: late rows cannot be told from changed "
                      "ones without a key; name one with --key, or compare with calve verify",
                      FormatTimestamp(bucket), rows.first, look_.table.database, look_.table.name, rows.second,
                      request_.target.ToString()));
    }
    if (left.retired > 0) {
      result_.notes.push_back(fmt::format(
          "{} keys have other rows in hot than in cold, at a time that has been retired: what hot has of them may be "
          "older or a part, and cold's rows stay",
          left.retired));
    }
    if (left.keys_not_unique > 0) {
      settled_ = false;
      result_.notes.push_back(fmt::format(
          "{} rows are of keys that {}.{} has several different rows of: the key ({}) "
          "does not tell its rows apart, and they were left alone",
          left.keys_not_unique, look_.table.database, look_.table.name, fmt::join(look_.identity.key, ", ")));
    }
  }

  const OffloadContext& context_;
  const OffloadRequest& request_;
  const LateLook& look_;
  const VerifyContext verify_;
  std::string basis_;
  LateRows result_;
  bool settled_ = true;  // nothing is left that has to be looked at again
};

}  // namespace

SeenParts ReadSeenParts(const OffloadContext& context, const OffloadRequest& request, const source::SourceTable& table,
                        const iceberg::TableMetadata* target) {
  const SeenParts none;
  if (!context.journal || !target) return none;
  auto text = context.journal->ReadPartsSeen(JournalKey(context, request), SourceKey(table));
  if (!text.ok() || !*text) return none;
  const auto root = nlohmann::ordered_json::parse(**text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("basis") || !root["basis"].is_string()) return none;
  SeenParts seen{{}, root["basis"].get<std::string>()};
  if (!seen.basis.empty()) {
    auto trace = FindCommit(*target, seen.basis);
    if (!trace || !trace->on_main || !trace->is_certain) return none;
  }
  std::map<std::string, nlohmann::ordered_json> places;
  if (root.contains("coverage")) places[""] = root["coverage"];
  if (root.contains("places") && root["places"].is_object()) {
    for (const auto& [place, coverage] : root["places"].items()) places[place] = coverage;
  }
  for (const auto& [place, text_of] : places) {
    auto coverage = text_of.is_string() ? PartCoverage::FromJson(text_of.get<std::string>())
                                        : Result<PartCoverage>(Status::Invalid(""));
    if (!coverage.ok()) return none;
    seen.coverage.emplace(place, std::move(*coverage));
  }
  return seen;
}

std::string LateBucketsQuery(const LateLook& look, const PartCoverage& seen, const Window& horizon,
                             int64_t bucket_micros) {
  return fmt::format("SELECT toString({}) AS bucket FROM {} WHERE {} AND {} GROUP BY bucket",
                     BucketExpression(look.cursor, bucket_micros), FromClause(look.table),
                     WindowPredicate(horizon, look.cursor), seen.NewRowsPredicate());
}

Result<LateRows> OffloadLateRows(const OffloadContext& context, const OffloadRequest& request, const LateLook& look) {
  return Late(context, request, look).Run();
}

}  // namespace calve::offload
