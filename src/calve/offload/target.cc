#include "calve/offload/target.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "calve/iceberg/utf8.h"

namespace calve::offload {
namespace {

// DESCRIBE's types for the columns that have an expression.
Result<std::vector<source::ClickHouseType>> AskTypes(source::Source& source, const source::SourceTable& table,
                                                     const DraftColumns& draft) {
  std::vector<source::ClickHouseType> types;
  if (draft.ask.empty()) return types;
  std::string list;
  for (size_t i : draft.ask) {
    const SelectedColumn& column = draft.columns[i];
    list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", column.expression,
                        source::QuoteIdentifier("c" + std::to_string(i)));
  }
  std::string sql = fmt::format("DESCRIBE TABLE (SELECT {} FROM {})", list, FromClause(table));
  source::QueryOptions any;
  any.scope = source::Scope::kAnyServer;
  auto rows = source::QueryText(source, sql, any);
  if (!rows.ok())
    return WithContext(WithKind(rows.status(), ErrorKind::kConfig, RemedyOf(rows.status())),
                       "asking for the types of the columns' expressions");
  for (const auto& row : *rows) {
    ARROW_ASSIGN_OR_RAISE(auto type, source::ParseClickHouseType(row.size() > 1 ? row[1] : ""));
    types.push_back(std::move(type));
  }
  if (types.size() != draft.ask.size())
    return MakeError(ErrorKind::kCorrupt, "DESCRIBE gave another number of columns than asked for");
  return types;
}

std::map<std::string, std::string> NewTableProperties(const OffloadRequest& request) {
  std::map<std::string, std::string> properties = {
      {"write.format.default", "parquet"},
      {"write.parquet.compression-codec", "zstd"},
      {"write.parquet.compression-level", "3"},
      // A commit every 15 minutes makes 35,000 metadata files a year; those that fell out of the log serve nobody.
      {"write.metadata.delete-after-commit.enabled", "true"},
  };
  for (const auto& [key, value] : request.properties) properties[key] = value;
  return properties;
}

// calve's own say where the table's rows begin and end.
Status CheckProperties(const OffloadRequest& request) {
  for (const auto& [key, value] : request.properties) {
    if (!key.starts_with("calve.")) continue;
    return MakeError(ErrorKind::kConfig, fmt::format("the table property {} is calve's own", key), "Leave it out.");
  }
  return Status::OK();
}

// ClickHouse's comment on the table, where there is one; it is worth no failure.
void AddComment(source::Source& source, const source::SourceTable& table,
                std::map<std::string, std::string>& properties) {
  if (!table.query.empty()) return;
  source::QueryOptions any;
  any.scope = source::Scope::kAnyServer;
  auto rows = source::QueryRows(source,
                                fmt::format("SELECT comment FROM system.tables WHERE database = {} AND name = {}",
                                            source::QuoteString(table.database), source::QuoteString(table.name)),
                                any);
  if (!rows.ok() || rows->empty() || rows->front().front().empty()) return;
  if (iceberg::IsUtf8(rows->front().front())) properties.emplace("comment", rows->front().front());
}

Status CheckWritable(const iceberg::TableMetadata& metadata) {
  if (metadata.format_version > 2) {
    return MakeError(
        ErrorKind::kUnsupported,
        fmt::format("the target is an Iceberg v{} table, which calve does not write yet", metadata.format_version),
        "Use a v2 table.");
  }
  std::string format = metadata.Property("write.format.default", "parquet");
  if (format != "parquet") {
    return MakeError(ErrorKind::kUnsupported, fmt::format("the target's write.format.default is {}", format),
                     "calve writes Parquet; set write.format.default to parquet.");
  }
  for (const iceberg::PartitionField& field : metadata.spec().fields) {
    if (field.transform.kind == iceberg::TransformKind::kUnknown) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("the target's partition field {} has transform {}, which calve does not know",
                                   field.name, field.transform.ToString()),
                       "Upgrade calve, or change the table's partition spec.");
    }
  }
  return Status::OK();
}

Result<iceberg::PartitionSpec> NewSpec(const std::vector<std::string>& terms, const iceberg::Schema& schema) {
  iceberg::PartitionSpec spec;
  for (const std::string& term : terms) {
    ARROW_ASSIGN_OR_RAISE(iceberg::PartitionField field, iceberg::ParsePartitionTerm(term, schema));
    field.field_id = iceberg::kFirstPartitionFieldId + static_cast<int>(spec.fields.size());
    spec.fields.push_back(std::move(field));
  }
  return spec;
}

// The id of an order with the same fields; 0 where the table has none.
int FindOrder(const iceberg::TableMetadata& metadata, const iceberg::SortOrder& order) {
  for (const iceberg::SortOrder& known : metadata.sort_orders) {
    if (!known.fields.empty() && known.fields == order.fields) return known.order_id;
  }
  return 0;
}

// Whether the order becomes the table's default. One that somebody else declared stays unless the request says so; ours
// is then that of our files only.
bool DeclaresOrder(const OffloadRequest& request, const iceberg::TableMetadata& metadata, int order_id) {
  const int declared = metadata.default_sort_order_id;
  return declared == 0 || (request.repartition && declared != order_id);
}

}  // namespace

Result<std::vector<SelectedColumn>> SelectColumns(source::Source& source, const source::SourceTable& table,
                                                  const ColumnOptions& options) {
  ARROW_ASSIGN_OR_RAISE(DraftColumns draft, DraftSelect(table, options));
  ARROW_ASSIGN_OR_RAISE(auto types, AskTypes(source, table, draft));
  return FinishSelect(std::move(draft), types);
}

Result<SortPlan> PlanSort(const std::vector<std::string>& terms, const iceberg::Schema& schema) {
  SortPlan plan;
  for (const std::string& term : terms) {
    std::string name = term.substr(0, term.find_last_not_of(' ') + 1);
    bool ascending = true;
    for (auto [suffix, value] : {std::pair{" desc", false}, {" DESC", false}, {" asc", true}, {" ASC", true}}) {
      if (name.ends_with(suffix)) {
        name.resize(name.size() - std::string_view(suffix).size());
        ascending = value;
        break;
      }
    }
    name.erase(0, name.find_first_not_of(' '));
    const iceberg::NestedField* field = schema.FindField(name);
    if (!field || !field->type.is_primitive()) {
      return MakeError(ErrorKind::kConfig, fmt::format("--sort-by {}: the target has no such column to sort by", name),
                       "Write it as 'symbol, exchange_timestamp desc', with columns of the target.");
    }
    plan.order.order_id = 1;
    // ClickHouse's default puts NULLs last in both directions; the declared order says the same.
    plan.order.fields.push_back(iceberg::SortField{field->id, iceberg::Transform{}, ascending, /*nulls_first=*/false});
    plan.order_by += fmt::format("{}{} {} NULLS LAST", plan.order_by.empty() ? "" : ", ", source::QuoteIdentifier(name),
                                 ascending ? "ASC" : "DESC");
  }
  return plan;
}

Result<Target> PlanTarget(const OffloadContext& context, const OffloadRequest& request,
                          const source::SourceTable& table, Result<catalog::LoadedTable> loaded) {
  ARROW_RETURN_NOT_OK(CheckProperties(request));
  ARROW_ASSIGN_OR_RAISE(auto columns, SelectColumns(context.source, table, request.columns));
  Target target;
  if (!loaded.ok() && KindOf(loaded.status()) != ErrorKind::kNotFound) return loaded.status();
  if (!loaded.ok()) {
    target.schema = NewSchema(columns);
    target.columns = std::move(columns);
    target.create.schema = target.schema;
    ARROW_ASSIGN_OR_RAISE(target.create.spec, NewSpec(request.partition_by, target.schema));
    ARROW_ASSIGN_OR_RAISE(SortPlan sort, PlanSort(request.sort_by, target.schema));
    target.create.order = target.order = sort.order;
    target.create.properties = NewTableProperties(request);
    AddComment(context.source, table, target.create.properties);
    return target;
  }
  ARROW_RETURN_NOT_OK(WithContext(CheckWritable(loaded->metadata), request.target.ToString()));
  ARROW_ASSIGN_OR_RAISE(TargetMatch match, MatchTarget(columns, loaded->metadata, request.columns));
  target.columns = std::move(match.columns);
  target.schema = std::move(match.schema);
  target.schema_changed = match.schema_changed;
  target.notes = std::move(match.notes);
  if (!request.partition_by.empty()) {
    ARROW_ASSIGN_OR_RAISE(iceberg::PartitionSpec asked, NewSpec(request.partition_by, target.schema));
    auto same = [](const iceberg::PartitionField& a, const iceberg::PartitionField& b) {
      return a.source_id == b.source_id && a.transform == b.transform;
    };
    const auto& has = loaded->metadata.spec().fields;
    if (!std::equal(asked.fields.begin(), asked.fields.end(), has.begin(), has.end(), same)) {
      if (request.repartition) target.new_spec = std::move(asked);
      target.notes.push_back(
          target.new_spec ? fmt::format("the target is partitioned by {} from now on; older files stay as they are",
                                        fmt::join(request.partition_by, ", "))
                          : "the target exists with another partition spec than --partition-by asks for; its own "
                            "is used (--repartition changes it)");
    }
  }
  ARROW_ASSIGN_OR_RAISE(SortPlan sort, PlanSort(request.sort_by, target.schema));
  target.order = sort.order;
  if (!sort.order.fields.empty() && DeclaresOrder(request, loaded->metadata, FindOrder(loaded->metadata, sort.order))) {
    target.notes.push_back(fmt::format("the target is sorted by {} from now on; older files stay as they are",
                                       fmt::join(request.sort_by, ", ")));
  }
  for (const auto& [key, value] : request.properties) {
    if (!request.set_properties || loaded->metadata.Property(key, "") == value) continue;
    target.new_properties[key] = value;
    target.notes.push_back(fmt::format("the target's property {} is set", key));
  }
  target.table = std::move(*loaded);
  return target;
}

namespace {

Status ChangeTable(const OffloadContext& context, const OffloadRequest& request, Target& target) {
  const iceberg::TableMetadata& metadata = target.table->metadata;
  SchemaChange change;
  if (target.schema_changed) change = ChangeSchema(metadata, target.schema);
  if (target.new_spec) {
    change.requirements.push_back(iceberg::AssertTableUuid{metadata.table_uuid});
    change.requirements.push_back(iceberg::AssertDefaultSpecId{metadata.default_spec_id});
    change.updates.push_back(iceberg::AddPartitionSpec{*target.new_spec});
    change.updates.push_back(iceberg::SetDefaultSpec{-1});
  }
  if (!target.order.fields.empty()) {
    const int known_id = FindOrder(metadata, target.order);
    iceberg::SortOrder added = target.order;
    for (const iceberg::SortOrder& known : metadata.sort_orders)
      added.order_id = std::max(added.order_id, known.order_id + 1);
    const bool declares = DeclaresOrder(request, metadata, known_id);
    if (known_id == 0) change.updates.push_back(iceberg::AddSortOrder{added});
    if (declares) change.updates.push_back(iceberg::SetDefaultSortOrder{known_id == 0 ? -1 : known_id});
    if (known_id == 0 || declares) {
      change.requirements.push_back(iceberg::AssertTableUuid{metadata.table_uuid});
      change.requirements.push_back(iceberg::AssertDefaultSortOrderId{metadata.default_sort_order_id});
    }
  }
  if (!target.new_properties.empty()) {
    change.requirements.push_back(iceberg::AssertTableUuid{metadata.table_uuid});
    change.updates.push_back(iceberg::SetProperties{target.new_properties});
  }
  if (change.updates.empty()) return Status::OK();
  // The window was planned on this main. If it moved (another calve's window, a rollback), it is planned anew.
  change.requirements.push_back(iceberg::AssertRefSnapshotId{"main", metadata.current_snapshot_id});
  ARROW_ASSIGN_OR_RAISE(target.table, context.catalog.CommitTable(request.target, change.requirements, change.updates));
  return Status::OK();
}

// Some stores refuse a name as taken a moment before they show what has it.
bool IsThereByNow(const OffloadContext& context, const catalog::TableIdent& ident) {
  constexpr int kLooks = 10;
  constexpr int64_t kLookEveryMs = 300;
  for (int look = 0; look < kLooks && !context.stop.stopped(); ++look) {
    if (look > 0 && !table::SleepFor(kLookEveryMs).ok()) return false;
    const auto table = context.catalog.LoadTable(ident);
    if (table.ok()) return true;
    if (KindOf(table.status()) != ErrorKind::kNotFound) return false;
  }
  return false;
}

}  // namespace

Status PrepareTarget(const OffloadContext& context, const OffloadRequest& request, Target& target) {
  if (target.table) {
    ARROW_RETURN_NOT_OK(WithContext(ChangeTable(context, request, target), "changing the target"));
  } else {
    auto created = context.catalog.CreateTable(request.target, target.create);
    const ErrorKind kind = KindOf(created.status());
    // Whoever made it: what is planned upon it is planned anew.
    if (kind == ErrorKind::kAlreadyExists ||
        (kind == ErrorKind::kUnknownOutcome && IsThereByNow(context, request.target))) {
      return WithKind(created.status(), ErrorKind::kConflict);
    }
    if (!created.ok()) return WithContext(created.status(), fmt::format("creating {}", request.target.ToString()));
    target.table = std::move(*created);
  }
  target.schema = target.table->metadata.schema();
  if (!target.order.fields.empty()) {
    // Field ids may have been given anew by the catalog.
    ARROW_ASSIGN_OR_RAISE(SortPlan sort, PlanSort(request.sort_by, target.schema));
    target.order = sort.order;
    target.order.order_id = FindOrder(target.table->metadata, sort.order);
  }
  return Status::OK();
}

}  // namespace calve::offload
