#include "calve/offload/window_plan.h"

#include <algorithm>
#include <future>
#include <set>

#include "calve/offload/beginning.h"
#include "calve/offload/holding_replicas.h"
#include "calve/offload/run_log.h"
#include "calve/offload/slice_count.h"
#include "calve/offload/slice_fingerprint.h"
#include "calve/offload/source_select.h"
#include "calve/source/cluster_query.h"
#include "calve/table/sliced_job.h"

namespace calve::offload {
namespace {

class WindowPlanner {
 public:
  WindowPlanner(const OffloadContext& context, const OffloadRequest& request, const TakeNote& note)
      : context_(context), request_(request), note_(note) {}

  Result<WindowPlan> Run() {
    // Read while ClickHouse is asked: a large table's metadata takes as long. Whoever commits to it meanwhile makes
    // this window's commit a conflict, as between any plan and its commit.
    auto loading = std::async(std::launch::async, [this] { return context_.catalog.LoadTable(request_.target); });
    ARROW_ASSIGN_OR_RAISE(plan_.server, source::AskServer(context_.source));
    ARROW_ASSIGN_OR_RAISE(plan_.table,
                          DescribeRows(context_.source, request_.source_table, request_.query, request_.where));
    ARROW_ASSIGN_OR_RAISE(plan_.cursor, ResolveCursor(plan_.table, request_.timestamp_column));
    ARROW_RETURN_NOT_OK(CheckSequence());
    ARROW_RETURN_NOT_OK(CheckRenamed());
    ARROW_ASSIGN_OR_RAISE(plan_.identity,
                          ResolveIdentity(request_.mode, plan_.table, request_.timestamp_column, request_.key));
    if (!plan_.identity.note.empty()) note_(plan_.identity.note);
    LookAtParts();
    auto planned = PlanTarget(context_, request_, plan_.table, loading.get());
    if (!planned.ok()) return WithContext(planned.status(), plan_.table.FullName());
    plan_.target = std::move(*planned);
    ARROW_RETURN_NOT_OK(CheckKey());
    if (plan_.late) {
      const auto& target = plan_.target.table;
      plan_.late->seen = ReadSeenParts(context_, request_, plan_.table, target ? &target->metadata : nullptr);
    }
    ARROW_RETURN_NOT_OK(FindWindow());
    if (context_.source.cluster()) ARROW_RETURN_NOT_OK(FindReplicas());
    ARROW_RETURN_NOT_OK(CountRows());
    return std::move(plan_);
  }

 private:
  // Before the rows are read: what comes later is told from what was there.
  void LookAtParts() {
    if (request_.lookback_micros <= 0) return;
    const source::SourceTable& table = plan_.table;
    // Engines other than MergeTree's keep no parts.
    if (!table.engine.ends_with("MergeTree")) {
      return note_(
          fmt::format("rows that come late are not looked for: {} is {}, which has no parts to tell them by; calve "
                      "verify --repair finds them (a look-back of 0s says that this is known)",
                      table.FullName(), table.query.empty() ? table.engine : "a query"));
    }
    if (plan_.identity.mode == Mode::kAppend && ReadsMerged(table.merging_engine())) {
      if (request_.mode != Mode::kAppend) return;
      return note_(
          fmt::format("rows that come late are not looked for: {} merges rows, and --mode append has no key to tell "
                      "them by; calve verify --repair finds them (a look-back of 0s says that this is known)",
                      table.FullName()));
    }
    const auto cannot = [&](const Status& error) {
      note_(fmt::format("rows behind the watermark cannot be looked for: {}", MessageOf(error)));
    };
    LateLook late{table, plan_.cursor, std::nullopt, {}, SeenParts{}, std::nullopt, plan_.identity};
    if (context_.source.cluster()) {
      auto listed = ListReplicasParts(context_.source, table);
      if (!listed.ok()) return cannot(listed.status());
      parts_ = std::move(*listed);
    } else {
      auto parts = ListParts(context_.source, table);
      if (!parts.ok()) return cannot(parts.status());
      late.shards.push_back({"", std::move(*parts)});
    }
    plan_.late = std::move(late);
  }

  // After the parts were listed, so that the chosen ones have what is in them; before rows are counted or read.
  Status FindReplicas() {
    Window range = plan_.window;
    if (plan_.late && plan_.late->up_to) {
      const TimestampMicros behind = *plan_.late->up_to - request_.lookback_micros;
      if (range.from) range.from = std::min(*range.from, behind);
      range.to = std::max(range.to, *plan_.late->up_to);
    }
    ARROW_ASSIGN_OR_RAISE(HoldingReplicas holding, FindHoldingReplicas(context_.source, plan_.table, plan_.cursor,
                                                                       range, request_.settings, context_.stop));
    for (std::string& note : holding.notes) note_(std::move(note));
    plan_.replicas = holding.servers;
    if (!plan_.late) return Status::OK();
    source::ShardServers servers;
    for (size_t shard = 0; shard < holding.servers->size(); ++shard) {
      const auto of_shard = FirstListed(shard, (*holding.servers)[shard]);
      if (!of_shard) {
        note_(fmt::format("rows behind the watermark cannot be looked for: the parts of shard {} are not known",
                          shard + 1));
        plan_.late.reset();
        return Status::OK();
      }
      servers.push_back({of_shard->server});
      // Where a table was made anew, its blocks have other numbers.
      std::set<std::string> uuids;
      for (const ReplicaParts& replica : parts_[shard]) uuids.insert(replica.table_uuid);
      const std::string& path = holding.paths[shard];
      const std::string place = path.empty()        ? of_shard->server + " " + of_shard->table_uuid
                                : uuids.size() == 1 ? path + " " + *uuids.begin()
                                                    : path;
      plan_.late->shards.push_back({place, of_shard->parts});
    }
    plan_.late->servers = std::make_shared<const source::ShardServers>(std::move(servers));
    return Status::OK();
  }

  // The parts of the first of the servers that told of them.
  const ReplicaParts* FirstListed(size_t shard, const std::vector<std::string>& servers) const {
    if (shard >= parts_.size()) return nullptr;
    for (const std::string& server : servers) {
      for (const ReplicaParts& replica : parts_[shard]) {
        if (replica.server == server) return &replica;
      }
    }
    return nullptr;
  }

  Status CheckSequence() const {
    if (request_.sequence_column.empty()) return Status::OK();
    for (const source::SourceColumn& column : plan_.table.columns) {
      if (column.name == request_.sequence_column) return Status::OK();
    }
    return MakeError(ErrorKind::kNotFound,
                     fmt::format("table {} has no column {}", plan_.table.FullName(), request_.sequence_column),
                     "Name an existing column with --sequence-col, or leave it out.");
  }

  // Hot and cold are compared by it.
  Status CheckRenamed() const {
    const std::string& cursor = plan_.cursor.column;
    const auto found = request_.columns.renamed.find(cursor);
    if (found == request_.columns.renamed.end()) return Status::OK();
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} is the cursor, and cannot be called {} in the target", cursor, found->second),
                     "Leave its name, and add a column of the other name: an expression.");
  }

  Status CheckKey() const {
    for (const std::string& name : plan_.identity.key) {
      const auto& columns = plan_.target.columns;
      if (std::any_of(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; }))
        continue;
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("{} is part of the key that tells rows of {} apart, and is not among the columns offloaded", name,
                      plan_.table.FullName()),
          "Do not exclude or rename it, name another key with --key, or use --mode append.");
    }
    return Status::OK();
  }

  // Fixes the window.
  Status FindWindow() {
    const auto& target = plan_.target.table;
    ARROW_ASSIGN_OR_RAISE(Beginning beginning,
                          FindBeginning(context_, request_, plan_.table, target ? &target->metadata : nullptr));
    if (beginning.adopts_row) {
      note_(fmt::format("adopted the watermark {} of offload_watermarks", FormatTimestamp(*beginning.from)));
    }
    if (!beginning.note.empty()) note_(beginning.note);
    plan_.adopts_row = beginning.adopts_row;
    if (beginning.watermark) {
      plan_.stamp = beginning.watermark->stamp;
      plan_.table_watermark = plan_.stamp->window_to;
    }
    if (plan_.late) {
      // Behind its first window is nothing that calve loaded.
      plan_.late->up_to = beginning.watermark ? beginning.from : std::nullopt;
      const std::string start = target ? target->metadata.Property(kStartProperty, "") : "";
      // One that does not parse protects everything.
      if (!start.empty()) plan_.late->loaded_from = ParseTimestamp(start).ValueOr(plan_.server.now);
    }
    std::optional<TimestampMicros> until = request_.until;
    if (until) *until -= request_.covers_micros;
    plan_.window = PlanWindow(beginning.from, plan_.server.now, request_.buffer_micros + request_.covers_micros, until,
                              plan_.cursor);
    return Status::OK();
  }

  Status Count(const std::string& where, int64_t& count) {
    source::QueryOptions options{"", request_.settings};
    options.among = plan_.replicas;
    ARROW_ASSIGN_OR_RAISE(
        count, source::CountOnShards(
                   context_.source,
                   fmt::format("SELECT toString(count()) FROM {} WHERE {}", FromClause(plan_.table), where), options));
    return Status::OK();
  }

  Status CountRows() {
    const source::SourceTable& table = plan_.table;
    const std::string column = CursorName(plan_.cursor);
    const std::string filter = table.row_filter.empty() ? "" : fmt::format(" AND (\n{}\n)", table.row_filter);
    if (!plan_.window.empty())
      ARROW_RETURN_NOT_OK(Count(WindowPredicate(plan_.window, plan_.cursor) + filter, plan_.rows_expected));
    ARROW_RETURN_NOT_OK(
        Count(fmt::format("{} > {}", column, CursorLiteral(plan_.server.now, plan_.cursor)), plan_.rows_future_cursor));
    if (plan_.cursor.nullable) ARROW_RETURN_NOT_OK(Count(fmt::format("{} IS NULL", column), plan_.rows_null_cursor));
    if (plan_.rows_future_cursor > 0) {
      note_(
          fmt::format("{} rows of {} have a {} beyond the server's clock; they are offloaded when their time has come",
                      plan_.rows_future_cursor, table.FullName(), plan_.cursor.column));
    }
    if (plan_.rows_null_cursor > 0) {
      note_(fmt::format("{} rows of {} have no {} (NULL) and are never offloaded", plan_.rows_null_cursor,
                        table.FullName(), plan_.cursor.column));
    }
    return Status::OK();
  }

  const OffloadContext& context_;
  const OffloadRequest& request_;
  const TakeNote& note_;
  WindowPlan plan_;
  std::vector<std::vector<ReplicaParts>> parts_;  // of a cluster, by shard
};

// The cursor, or the sequence, as it stands in the result.
std::string AsItStands(const std::string& name, const std::vector<SelectedColumn>& columns) {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const SelectedColumn& column) { return column.name == name; });
  return found != columns.end() && found->expression == source::QuoteIdentifier(name) ? name : "";
}

}  // namespace

Result<WindowPlan> PlanOffload(const OffloadContext& context, const OffloadRequest& request, const TakeNote& note) {
  return WindowPlanner(context, request, note).Run();
}

bool IsOneSlice(const OffloadRequest& request, const WindowPlan& plan) {
  // Several queries see the table at different moments: where a key may be at several times, both an older and a newer
  // version of a row could be read.
  return !request.sort_by.empty() || plan.identity.key_spans_time;
}

SliceSelect SelectOf(const OffloadRequest& request, const WindowPlan& plan) {
  SliceSelect select = SelectRowsWhere(plan.table, plan.target.columns);
  auto sort = PlanSort(request.sort_by, plan.target.schema);
  if (sort.ok() && !sort->order_by.empty()) select.tail += " ORDER BY " + sort->order_by;
  return select;
}

std::string CursorInResult(const WindowPlan& plan) { return AsItStands(plan.cursor.column, plan.target.columns); }

std::string FingerprintSequence(const OffloadRequest& request, const WindowPlan& plan) {
  const std::string name = AsItStands(request.sequence_column, plan.target.columns);
  const auto found = std::find_if(plan.table.columns.begin(), plan.table.columns.end(),
                                  [&](const source::SourceColumn& column) { return column.name == name; });
  return found != plan.table.columns.end() && IsHashedSequence(found->type) ? name : "";
}

OffloadPlan FreezePlan(const OffloadRequest& request, const WindowPlan& plan, const std::string& commit_id) {
  const iceberg::TableMetadata& metadata = plan.target.table->metadata;
  OffloadPlan frozen;
  frozen.id = commit_id;
  frozen.target = request.target;
  frozen.table_uuid = metadata.table_uuid;
  frozen.planned_sequence_number = metadata.last_sequence_number;
  frozen.data_location = table::DataLocationOf(metadata);
  frozen.source_table = plan.table.FullName();
  frozen.layer = request.layer;
  frozen.journal_name = RunSubjectOf(request).table_name;
  frozen.stamp.source = fmt::format("{}/{}/{}", plan.server.uuid, plan.table.FullName(), plan.table.uuid);
  frozen.stamp.window_from = plan.window.from;
  frozen.stamp.window_to = plan.window.to;
  frozen.stamp.commit_id = commit_id;
  frozen.planned_from = plan.table_watermark;
  if (!plan.table_watermark) frozen.start_from = plan.window.from;
  frozen.adopts_row = plan.adopts_row;
  frozen.window = plan.window;
  frozen.cursor_column = CursorInResult(plan);
  frozen.sequence_column = request.sequence_column;
  if (!frozen.cursor_column.empty()) frozen.fingerprint_sequence = FingerprintSequence(request, plan);
  frozen.select = SelectOf(request, plan);
  frozen.count = CountSelect(plan.table, plan.cursor, frozen.fingerprint_sequence.value_or(""));
  frozen.settings = request.settings;
  frozen.properties = metadata.properties;
  frozen.schema = metadata.schema();
  frozen.spec = metadata.spec();
  frozen.sort_order_id = plan.target.order.order_id;
  if (plan.replicas) frozen.replicas = *plan.replicas;
  frozen.slice_count = static_cast<int64_t>(plan.slices.size());
  for (const SliceRange& slice : plan.slices) frozen.rows += slice.rows, frozen.fingerprint += slice.fingerprint;
  return frozen;
}

}  // namespace calve::offload
