#include "calve/offload/verify_plan.h"

#include <algorithm>

#include "calve/fingerprint/mix.h"
#include "calve/offload/holding_replicas.h"
#include "calve/offload/source_select.h"
#include "calve/offload/target.h"
#include "calve/offload/watermark.h"
#include "calve/source/cluster_query.h"

namespace calve::offload {
namespace {

bool IsTimestamp(const iceberg::Type& type) {
  using iceberg::TypeId;
  return type.id == TypeId::kTimestamp || type.id == TypeId::kTimestampTz || type.id == TypeId::kTimestampNs ||
         type.id == TypeId::kTimestampTzNs;
}

int IndexOf(const iceberg::Schema& schema, const std::string& name) {
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    if (schema.fields[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

class VerifyPlanner {
 public:
  VerifyPlanner(const VerifyContext& context, const VerifyRequest& request) : context_(context), request_(request) {}

  Result<VerifyPlan> Run() {
    ARROW_RETURN_NOT_OK(request_.cold_only ? LoadCold() : MatchHot());
    for (const iceberg::NestedField& field : plan_.schema.fields) plan_.column_ids.push_back(field.id);
    const iceberg::Snapshot* tip = plan_.target.CurrentSnapshot();
    if (tip) plan_.snapshot_id = tip->snapshot_id;
    ARROW_RETURN_NOT_OK(FindCursor());
    ARROW_RETURN_NOT_OK(FindKey());
    if (!request_.cold_only) FindLateColumns();
    ARROW_RETURN_NOT_OK(FindRanges());
    ARROW_RETURN_NOT_OK(FindReplicas());
    return std::move(plan_);
  }

 private:
  std::string TargetName() const { return request_.target.ToString(); }

  Status FindReplicas() {
    plan_.replicas = request_.replicas;
    if (request_.cold_only || plan_.replicas || plan_.ranges.empty()) return Status::OK();
    const Window all{plan_.ranges.front().from, plan_.ranges.back().to};
    ARROW_ASSIGN_OR_RAISE(HoldingReplicas holding, FindHoldingReplicas(*context_.source, plan_.table, plan_.cursor, all,
                                                                       request_.settings, context_.stop));
    plan_.replicas = std::move(holding.servers);
    for (std::string& note : holding.notes) plan_.notes.push_back(std::move(note));
    return Status::OK();
  }

  Status LoadCold() {
    auto loaded = context_.catalog.LoadTable(request_.target);
    ARROW_RETURN_NOT_OK(WithContext(loaded.status(), TargetName()));
    plan_.target = std::move(loaded->metadata);
    // Only what tells rows apart is read.
    for (const iceberg::NestedField& field : plan_.target.schema().fields) {
      bool wanted = request_.key.empty() || request_.whole_rows || field.name == request_.timestamp_column ||
                    std::find(request_.key.begin(), request_.key.end(), field.name) != request_.key.end();
      if (wanted) plan_.schema.fields.push_back(field);
    }
    return Status::OK();
  }

  Status MatchHot() {
    ARROW_ASSIGN_OR_RAISE(plan_.table,
                          DescribeRows(*context_.source, request_.source_table, request_.query, request_.where));
    ARROW_ASSIGN_OR_RAISE(plan_.cursor, ResolveCursor(plan_.table, request_.timestamp_column));
    OffloadRequest offload;
    offload.source_table = request_.source_table;
    offload.target = request_.target;
    offload.columns = request_.columns;
    offload.columns.new_columns = NewColumns::kIgnore;
    OffloadContext context{*context_.source, context_.catalog, context_.file_io, nullptr,
                           context_.clock,   context_.stop,    context_.progress};
    ARROW_ASSIGN_OR_RAISE(Target target,
                          PlanTarget(context, offload, plan_.table, context_.catalog.LoadTable(offload.target)));
    if (!target.table) {
      return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {}", TargetName()),
                       "Check --target-table, --warehouse and --catalog.");
    }
    plan_.target = std::move(target.table->metadata);
    plan_.columns = std::move(target.columns);
    for (const iceberg::NestedField& field : target.schema.fields) {
      bool selected = std::any_of(plan_.columns.begin(), plan_.columns.end(),
                                  [&](const SelectedColumn& column) { return column.name == field.name; });
      if (selected) plan_.schema.fields.push_back(field);
      if (!selected) plan_.columns_not_compared.push_back(field.name);
    }
    for (const source::SourceColumn& column : plan_.table.columns) {
      if (!column.default_kind.empty() && column.default_kind != "DEFAULT") continue;
      const auto renamed = offload.columns.renamed.find(column.name);
      const std::string& name = renamed == offload.columns.renamed.end() ? column.name : renamed->second;
      if (IndexOf(target.schema, name) < 0) plan_.columns_not_compared.push_back(column.name);
    }
    source::QueryOptions any;
    any.scope = source::Scope::kAnyServer;
    auto text = source::QueryText(*context_.source,
                                  fmt::format("SHOW CREATE TABLE {}.{}", source::QuoteIdentifier(plan_.table.database),
                                              source::QuoteIdentifier(plan_.table.name)),
                                  any);
    if (text.ok() && !text->empty() && !text->front().empty()) plan_.expires = HasTtl(text->front().front());
    return Status::OK();
  }

  Status FindCursor() {
    if (request_.timestamp_column.empty()) return Status::OK();
    plan_.cursor_index = IndexOf(plan_.schema, request_.timestamp_column);
    bool plain = request_.cold_only;
    for (const SelectedColumn& column : plan_.columns) {
      if (column.name == request_.timestamp_column) plain = column.expression == source::QuoteIdentifier(column.name);
    }
    if (plan_.cursor_index < 0 || !plain ||
        !IsTimestamp(plan_.schema.fields[static_cast<size_t>(plan_.cursor_index)].type)) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("{} does not hold {} as a timestamp like the source does, so that rows have no "
                                   "bucket to be compared by",
                                   TargetName(), request_.timestamp_column),
                       "Name a cursor that was offloaded unchanged with --timestamp-col.");
    }
    return Status::OK();
  }

  Status FindKey() {
    std::vector<std::string> names = request_.key;
    if (names.empty() && !request_.cold_only && ReadsMerged(plan_.table.merging_engine())) {
      names = PlainSortingKey(plan_.table.sorting_key);
      bool all = std::all_of(names.begin(), names.end(),
                             [&](const std::string& name) { return IndexOf(plan_.schema, name) >= 0; });
      if (!all) names.clear();
    }
    for (const std::string& name : names) {
      int index = IndexOf(plan_.schema, name);
      if (index < 0) {
        return MakeError(ErrorKind::kConfig, fmt::format("--key names {}, which is not compared", name),
                         fmt::format("Name columns that {} has.", TargetName()));
      }
      plan_.key.push_back(index);
    }
    return Status::OK();
  }

  void FindLateColumns() {
    const auto& schemas = plan_.target.schemas;
    auto first = std::min_element(schemas.begin(), schemas.end(),
                                  [](const auto& a, const auto& b) { return a.schema_id < b.schema_id; });
    if (first == schemas.end()) return;
    for (size_t i = 0; i < plan_.schema.fields.size(); ++i) {
      bool late = first->FindField(plan_.schema.fields[i].id) == nullptr;
      (late ? plan_.late : plan_.core).push_back(static_cast<int>(i));
    }
    if (plan_.late.empty()) plan_.core.clear();
  }

  Status FindRanges() {
    ARROW_RETURN_NOT_OK(FindWatermark());
    Window window;
    if (request_.from) window.from = *request_.from - 1;
    if (request_.to) window.to = *request_.to - 1;
    bool bounded = request_.to.has_value();
    if (plan_.watermark && !request_.cold_only) {
      if (bounded && window.to > *plan_.watermark) {
        plan_.notes.push_back(fmt::format("compared up to the watermark, {}", FormatTimestamp(*plan_.watermark)));
      }
      window.to = bounded ? std::min(window.to, *plan_.watermark) : *plan_.watermark;
      bounded = true;
    }
    if (request_.cold_only && !bounded) window.to = INT64_MAX;
    if (request_.cold_only && (request_.from || request_.to) && plan_.cursor_index < 0) {
      return MakeError(ErrorKind::kConfig, "a range needs a column to go by", "Name it with --timestamp-col.");
    }
    if (request_.from && request_.to && *request_.from >= *request_.to) {
      return MakeError(ErrorKind::kConfig, "--from is not before --to: there is nothing to compare");
    }
    if (window.empty()) plan_.notes.push_back("the range lies behind the watermark: there is nothing to compare");
    if (request_.sample >= 1) {
      if (!window.empty()) plan_.ranges = {window};
      return Status::OK();
    }
    return Sample(window);
  }

  Status FindWatermark() {
    auto read = ReadWatermark(plan_.target);
    if (request_.cold_only) return Status::OK();
    if (!read.ok() && !request_.to) return WithContext(read.status(), TargetName());
    if (read.ok() && !*read && FindAdopted()) return Status::OK();
    if (!read.ok() || !*read) {
      if (request_.to) return Status::OK();
      return MakeError(ErrorKind::kConfig,
                       fmt::format("{} has no watermark: calve never committed to it", TargetName()),
                       "Say with --to up to when it should hold the source's rows.");
    }
    plan_.watermark = (*read)->stamp.window_to;
    auto retired = ReadRetiredTo(plan_.target);
    if (retired.ok()) plan_.retired_to = *retired;
    if (!retired.ok()) plan_.notes.push_back(MessageOf(retired.status()));
    std::string source = SourceTableOf((*read)->stamp.source);
    std::string name = plan_.table.FullName();
    if (!source.empty() && source != name) {
      plan_.notes.push_back(fmt::format("{} was filled from {}, and is compared with {}", TargetName(), source, name));
    }
    return Status::OK();
  }

  // A table of others, with their journal.
  bool FindAdopted() {
    if (!context_.journal || plan_.target.properties.contains(kWatermarkProperty)) return false;
    auto row = context_.journal->ReadWatermark(plan_.table.name);
    if (!row.ok() || !*row || (*row)->status != "success") return false;
    plan_.watermark = (*row)->last_offload_timestamp;
    plan_.notes.push_back(
        fmt::format("{} has no commit of calve's: compared up to the watermark of offload_watermarks, {}", TargetName(),
                    FormatTimestamp(*plan_.watermark)));
    return true;
  }

  Status Sample(const Window& window) {
    if (request_.cold_only) {
      return MakeError(ErrorKind::kConfig, "--sample does not go with --cold-only: duplicates may lie in two buckets",
                       "Give a range with --from and --to.");
    }
    TimestampMicros begin = 0;
    if (window.from) {
      begin = *window.from + 1;
    } else {
      ARROW_ASSIGN_OR_RAISE(
          const auto shards,
          source::QueryShards(*context_.source, fmt::format("SELECT toString(min({0}), 'UTC'), toString(count()) FROM "
                                                            "{1} WHERE {0} IS NOT NULL",
                                                            CursorName(plan_.cursor), FromClause(plan_.table))));
      std::optional<TimestampMicros> first;
      for (const auto& rows : shards) {
        if (rows.empty() || rows[0].size() < 2 || rows[0][1] == "0") continue;
        ARROW_ASSIGN_OR_RAISE(const TimestampMicros of_shard, ParseTimestamp(rows[0][0]));
        first = std::min(of_shard, first.value_or(of_shard));
      }
      if (!first) return Status::OK();
      begin = *first;
      plan_.notes.push_back(fmt::format("sampled from the source's first row on, {}; --from reaches further back",
                                        FormatTimestamp(begin)));
    }
    plan_.ranges = SampleBuckets(begin, window.to, request_.bucket_micros, request_.sample, request_.seed);
    return Status::OK();
  }

  const VerifyContext& context_;
  const VerifyRequest& request_;
  VerifyPlan plan_;
};

}  // namespace

Result<VerifyPlan> PlanVerify(const VerifyContext& context, const VerifyRequest& request) {
  return VerifyPlanner(context, request).Run();
}

Result<VerifyResult> BeginVerify(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan) {
  VerifyResult result;
  result.notes = plan.notes;
  if (!request.cold_only) result.table = plan.table.FullName();
  result.target = request.target.ToString();
  result.snapshot_id = plan.snapshot_id;
  result.watermark = plan.watermark;
  if (!plan.ranges.empty()) {
    if (plan.ranges.front().from) result.from = *plan.ranges.front().from + 1;
    if (plan.ranges.back().to != INT64_MAX) result.up_to = plan.ranges.back().to;
  }
  for (const auto& field : plan.schema.fields) result.columns.push_back(field.name);
  for (int column : plan.key) result.key.push_back(result.columns[static_cast<size_t>(column)]);
  result.columns_not_compared = plan.columns_not_compared;
  if (request.cold_only || !plan.cursor.nullable) return result;
  ARROW_ASSIGN_OR_RAISE(result.rows_null_cursor,
                        source::CountOnShards(*context.source,
                                              fmt::format("SELECT toString(count()) FROM {} WHERE {} IS NULL",
                                                          FromClause(plan.table), CursorName(plan.cursor)),
                                              source::QueryOptions{"", request.settings}));
  if (result.rows_null_cursor > 0) {
    result.notes.push_back(fmt::format("{} rows of {} have no {} (NULL): they are never offloaded, and not compared",
                                       result.rows_null_cursor, result.table, plan.cursor.column));
  }
  return result;
}

std::vector<Window> SampleBuckets(TimestampMicros begin, TimestampMicros up_to, int64_t bucket_micros, double share,
                                  uint64_t seed) {
  std::vector<Window> windows;
  const auto limit = static_cast<uint64_t>(share * 18446744073709549568.0);
  int64_t rest = begin % bucket_micros;
  TimestampMicros start = begin - (rest < 0 ? rest + bucket_micros : rest);
  for (; start <= up_to; start += bucket_micros) {
    if (fingerprint::Mix(static_cast<uint64_t>(start) ^ fingerprint::Mix(seed + fingerprint::kMix1)) > limit) continue;
    TimestampMicros after = std::max(start, begin) - 1, last = std::min(start + bucket_micros - 1, up_to);
    if (!windows.empty() && windows.back().to == after) {
      windows.back().to = last;
    } else {
      windows.push_back(Window{after, last});
    }
  }
  return windows;
}

bool HasTtl(const std::string& create_table) {
  // Behind the columns: a column's own TTL takes values away, not rows.
  size_t engine = create_table.find("ENGINE =");
  return engine != std::string::npos && (create_table.find("\nTTL ", engine) != std::string::npos ||
                                         create_table.find(" TTL ", engine) != std::string::npos);
}

}  // namespace calve::offload
