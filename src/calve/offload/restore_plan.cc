#include "calve/offload/restore_plan.h"

#include <algorithm>
#include <set>

#include "calve/offload/hot_rows.h"
#include "calve/offload/restore_conversion.h"
#include "calve/offload/snapshot_as_of.h"
#include "calve/offload/source_select.h"
#include "calve/offload/target.h"

namespace calve::offload {
namespace {

using iceberg::NestedField;
using source::QuoteIdentifier;
using source::QuoteString;
using source::SourceColumn;

// In every INSERT of a restore, so that one that is still running can be told.
constexpr const char* kMark = "/* calve-restore */";

bool Contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

int IndexOf(const iceberg::Schema& schema, const std::string& name) {
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    if (schema.fields[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

// Rows go in and come out again.
bool KeepsRows(const std::string& engine) {
  static const std::set<std::string> kOthers = {"Memory", "Log", "TinyLog", "StripeLog", "Distributed"};
  return engine.ends_with("MergeTree") || kOthers.contains(engine);
}

bool TakesValues(const SourceColumn& column) { return column.default_kind.empty() || column.default_kind == "DEFAULT"; }

class RestorePlanner {
 public:
  RestorePlanner(const RestoreContext& context, const RestoreRequest& request, std::string* created)
      : context_(context), request_(request), created_(created) {}

  Result<RestorePlan> Run() {
    ARROW_RETURN_NOT_OK(LoadCold());
    ARROW_RETURN_NOT_OK(FindTable());
    ARROW_RETURN_NOT_OK(CheckNames());
    ARROW_RETURN_NOT_OK(SortColumns());
    ARROW_RETURN_NOT_OK(MatchColumns());
    ARROW_RETURN_NOT_OK(FindCursorAndKey());
    ARROW_RETURN_NOT_OK(FindDefaults());
    ARROW_RETURN_NOT_OK(MakeInsertion());
    ARROW_RETURN_NOT_OK(FindRange());
    return std::move(plan_);
  }

 private:
  VerifyPlan& compare() { return plan_.compare; }
  const iceberg::Schema& cold() { return compare().target.schema(); }
  const source::SourceTable& table() { return compare().table; }
  std::string TableName() { return table().FullName(); }
  void Note(std::string text) { compare().notes.push_back(std::move(text)); }

  const SourceColumn* FindColumn(const std::string& name) {
    for (const SourceColumn& column : table().columns) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }

  Status LoadCold() {
    auto loaded = context_.catalog.LoadTable(request_.target);
    ARROW_RETURN_NOT_OK(WithContext(loaded.status(), request_.target.ToString()));
    iceberg::TableMetadata& metadata = compare().target = std::move(loaded->metadata);
    if (const iceberg::Snapshot* tip = metadata.CurrentSnapshot()) compare().snapshot_id = tip->snapshot_id;
    if (request_.snapshot_id) compare().snapshot_id = request_.snapshot_id;
    if (request_.as_of) {
      ARROW_ASSIGN_OR_RAISE(compare().snapshot_id, SnapshotAsOf(metadata, *request_.as_of));
    }
    if (compare().snapshot_id) {
      const iceberg::Snapshot* snapshot = metadata.FindSnapshot(*compare().snapshot_id);
      if (!snapshot) {
        return MakeError(ErrorKind::kNotFound,
                         fmt::format("{} has no snapshot {}", request_.target.ToString(), *compare().snapshot_id),
                         "It may have been expired; --as-of takes a time.");
      }
      // A snapshot is read as it was written (spec: "Snapshots", schema-id).
      if (snapshot->schema_id && metadata.FindSchema(*snapshot->schema_id)) {
        metadata.current_schema_id = *snapshot->schema_id;
      }
    }
    // They bind writers of the cold table.
    for (iceberg::Schema& schema : metadata.schemas) schema.identifier_field_ids.clear();
    return Status::OK();
  }

  Status FindTable() {
    if (context_.source.cluster()) {
      return MakeError(ErrorKind::kUnsupported, "nothing is restored into a cluster as a whole",
                       "Name one server as the source, without a cluster, and with --into a table there, or a "
                       "Distributed one that spreads the rows over the shards.");
    }
    auto described = source::DescribeTable(context_.source, request_.into);
    if (KindOf(described.status()) == ErrorKind::kNotFound) {
      ARROW_ASSIGN_OR_RAISE(const std::string create, CreateText());
      if (!request_.create || request_.dry_run) {
        return MakeError(ErrorKind::kNotFound, MessageOf(described.status()),
                         fmt::format("Create it, or let --create do it:\n{}", create));
      }
      ARROW_RETURN_NOT_OK(WithContext(context_.source.Execute(create, {}), "creating " + request_.into));
      *created_ = create;
      described = source::DescribeTable(context_.source, request_.into);
    }
    ARROW_RETURN_NOT_OK(described.status());
    compare().table = std::move(*described);
    if (!KeepsRows(table().engine)) {
      return MakeError(
          ErrorKind::kUnsupported,
          fmt::format("{} is a {}: rows that go in cannot be found there again, so that nothing could tell "
                      "what is restored already",
                      TableName(), table().engine),
          "Restore into a MergeTree table.");
    }
    return Status::OK();
  }

  Result<std::string> CreateText() {
    std::string database = context_.source.database(), name = request_.into;
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      database = name.substr(0, dot);
      name = name.substr(dot + 1);
    }
    for (std::string* part : {&database, &name}) {
      if (part->size() > 2 && part->front() == '`' && part->back() == '`') *part = part->substr(1, part->size() - 2);
    }
    iceberg::Schema schema;
    for (const NestedField& field : cold().fields) {
      if (!Contains(request_.excluded, field.name)) schema.fields.push_back(field);
    }
    if (IndexOf(schema, request_.timestamp_column) < 0) return NoCursor();
    return CreateTableText(database, name, schema, request_.timestamp_column);
  }

  Status NoCursor() {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} has no timestamp column {} to tell a range by", request_.target.ToString(),
                                 request_.timestamp_column),
                     "Name the cursor that the table was offloaded by with --timestamp-col.");
  }

  Status CheckNames() {
    for (const std::string& name : request_.excluded) {
      if (!cold().FindField(name) && !FindColumn(name)) {
        return MakeError(ErrorKind::kConfig, fmt::format("--exclude names {}, which neither {} nor {} has", name,
                                                         request_.target.ToString(), TableName()));
      }
    }
    for (const auto& [name, sql] : request_.set) {
      const SourceColumn* column = FindColumn(name);
      if (!column || !TakesValues(*column)) {
        return MakeError(ErrorKind::kConfig, fmt::format("--set names {}, which {} {}", name, TableName(),
                                                         column ? "computes by itself" : "does not have"));
      }
    }
    return Status::OK();
  }

  // Which cold columns go into the table, which are only read, which neither.
  Status SortColumns() {
    std::vector<std::string> lacking;
    for (const NestedField& field : cold().fields) {
      const SourceColumn* column = FindColumn(field.name);
      const bool excluded = Contains(request_.excluded, field.name);
      const bool set = request_.set.contains(field.name);
      const bool computed = column && !TakesValues(*column);
      const bool mentioned = std::any_of(request_.set.begin(), request_.set.end(),
                                         [&](const auto& entry) { return MentionsName(entry.second, field.name); });
      if (excluded || set || computed || (mentioned && !column)) {
        if (mentioned) only_read_.push_back(field);
        if (computed && !excluded) Note(fmt::format("column {} is computed by {} itself", field.name, TableName()));
        continue;
      }
      if (!column) lacking.push_back(field.name);
      if (column) inserted_.insert(field.name);
    }
    if (!lacking.empty()) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} has no column {}", TableName(), Joined(lacking)),
                       fmt::format("Add it to the table, or leave it out with --exclude {}.", lacking.front()));
    }
    std::vector<std::string> defaulted;
    for (const SourceColumn& column : table().columns) {
      if (TakesValues(column) && !inserted_.contains(column.name) && !request_.set.contains(column.name)) {
        defaulted.push_back(column.name);
      }
    }
    if (!defaulted.empty()) {
      Note(fmt::format("{} get{} the default of {}", Joined(defaulted), defaulted.size() == 1 ? "s" : "", TableName()));
    }
    return Status::OK();
  }

  // The table is read as an offload would read it, and compared in the columns that are inserted unchanged.
  Status MatchColumns() {
    ColumnOptions options;
    options.new_columns = NewColumns::kIgnore;
    for (const SourceColumn& column : table().columns) {
      const NestedField* field = cold().FindField(column.name);
      if (!inserted_.contains(column.name)) {
        options.excluded.push_back(column.name);
      } else if (column.type.Unwrapped().kind == source::TypeKind::kDateTime64 &&
                 column.type.Unwrapped().precision > 6) {
        options.types[column.name] = field->type;  // finer than cold: what is inserted has zeros there
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto columns, SelectColumns(context_.source, table(), options));
    ARROW_ASSIGN_OR_RAISE(TargetMatch match, MatchTarget(columns, compare().target, options));
    compare().columns = std::move(match.columns);
    for (const NestedField& field : match.schema.fields) {
      const bool selected = std::any_of(compare().columns.begin(), compare().columns.end(),
                                        [&](const SelectedColumn& column) { return column.name == field.name; });
      if (!selected) continue;
      // What a file holds as optional is read as such, whatever the table's column is.
      NestedField read = field;
      const NestedField* in_cold = cold().FindField(field.name);
      read.required = field.required && in_cold && in_cold->required;
      compare().schema.fields.push_back(std::move(read));
    }
    plan_.read = compare().schema;
    for (const NestedField& field : only_read_) plan_.read.fields.push_back(field);
    for (const NestedField& field : compare().schema.fields) compare().column_ids.push_back(field.id);
    return Status::OK();
  }

  Status FindCursorAndKey() {
    using iceberg::TypeId;
    ARROW_ASSIGN_OR_RAISE(compare().cursor, ResolveCursor(table(), request_.timestamp_column));
    compare().cursor_index = IndexOf(compare().schema, request_.timestamp_column);
    if (compare().cursor_index < 0) return NoCursor();
    switch (compare().schema.fields[static_cast<size_t>(compare().cursor_index)].type.id) {
      case TypeId::kTimestamp:
      case TypeId::kTimestampTz:
      case TypeId::kTimestampNs:
      case TypeId::kTimestampTzNs:
        break;
      default:
        return NoCursor();
    }
    plan_.merges = ReadsMerged(table().merging_engine());
    std::vector<std::string> names = request_.key;
    if (names.empty() && plan_.merges) {
      names = PlainSortingKey(table().sorting_key);
      if (!Contains(names, request_.timestamp_column)) {
        return MakeError(
            ErrorKind::kUnsupported,
            fmt::format("{} is a {} with the sorting key ({}), of which {} is no plain column: a restored row "
                        "could replace or add up with one of another time",
                        TableName(), table().merging_engine(), table().sorting_key, request_.timestamp_column),
            "Restore into a MergeTree table, or name with --key what tells rows apart.");
      }
    }
    for (const std::string& name : names) {
      const int index = IndexOf(compare().schema, name);
      if (index < 0) {
        return MakeError(ErrorKind::kConfig,
                         fmt::format("the key names {}, which is not in both {} and {} unchanged", name,
                                     request_.target.ToString(), TableName()),
                         "Name with --key columns that are restored as they are.");
      }
      compare().key.push_back(index);
    }
    return Status::OK();
  }

  bool IsFilled(const NestedField& field) {
    const SourceColumn* column = FindColumn(field.name);
    return !field.required && inserted_.contains(field.name) && column && !column->type.IsNullable();
  }

  // One question: the values, as the offload would read them.
  Status FindDefaults() {
    iceberg::Schema filled;
    std::string outer, inner;
    ARROW_ASSIGN_OR_RAISE(const auto expressions, AskDefaults());
    for (const NestedField& field : compare().schema.fields) {
      if (!IsFilled(field)) continue;
      const SourceColumn& column = *FindColumn(field.name);
      auto expression = expressions.find(field.name);
      std::string value = fmt::format("defaultValueOfTypeName({})", QuoteString(column.type.text));
      if (expression != expressions.end() && !expression->second.empty()) {
        value = expression->second;
        if (!IsLiteral(value)) {
          plan_.defaults.Add(field.id, ColdDefault{field.name, nullptr, "DEFAULT " + value});
          continue;
        }
      }
      const std::string name = QuoteIdentifier(field.name);
      auto selected = std::find_if(compare().columns.begin(), compare().columns.end(),
                                   [&](const SelectedColumn& c) { return c.name == field.name; });
      outer += fmt::format("{}{} AS {}", outer.empty() ? "" : ", ", selected->expression, name);
      inner +=
          fmt::format("{}CAST({}, {}) AS {}", inner.empty() ? "" : ", ", value, QuoteString(column.type.text), name);
      filled.fields.push_back(field);
    }
    if (filled.fields.empty()) return Status::OK();
    HotScan scan;
    scan.sql = fmt::format("SELECT {} FROM (SELECT {})", outer, inner);
    scan.query.settings = request_.settings;
    scan.schema = filled;
    return ReadHotRows(context_.source, scan, context_.stop, [&](size_t, const auto& batch) {
      for (size_t i = 0; i < filled.fields.size() && batch->num_rows() == 1; ++i) {
        plan_.defaults.Add(filled.fields[i].id,
                           ColdDefault{filled.fields[i].name, batch->column(static_cast<int>(i)), ""});
      }
      return Status::OK();
    });
  }

  Result<std::map<std::string, std::string>> AskDefaults() {
    std::map<std::string, std::string> expressions;
    const bool any = std::any_of(table().columns.begin(), table().columns.end(),
                                 [](const SourceColumn& column) { return column.default_kind == "DEFAULT"; });
    if (!any) return expressions;
    ARROW_ASSIGN_OR_RAISE(
        auto rows, source::QueryRows(context_.source,
                                     fmt::format("SELECT name, default_expression FROM system.columns WHERE database = "
                                                 "{} AND table = {} AND default_kind = 'DEFAULT'",
                                                 QuoteString(table().database), QuoteString(table().name))));
    for (const auto& row : rows) expressions[row.at(0)] = row.at(1);
    return expressions;
  }

  Status MakeInsertion() {
    std::string structure, aliases, into, select;
    for (size_t i = 0; i < plan_.read.fields.size(); ++i) {
      const NestedField& field = plan_.read.fields[i];
      const std::string travels = fmt::format("c{}", i + 1);
      plan_.travel_names.push_back(travels);
      const bool optional = !field.required && !IsFilled(field);
      ARROW_ASSIGN_OR_RAISE(const std::string type, TravelTypeText(field.name, field.type, optional));
      const char* comma = structure.empty() ? "" : ", ";
      structure += fmt::format("{}{} {}", comma, travels, type);
      aliases += fmt::format("{}{} AS {}", comma, travels, QuoteIdentifier(field.name));
      if (i >= compare().schema.fields.size()) continue;
      ARROW_ASSIGN_OR_RAISE(const std::string value,
                            ConversionTo(field.name, field.type, optional, FindColumn(field.name)->type, travels));
      into += comma + QuoteIdentifier(field.name);
      select += comma + value;
    }
    for (const auto& [name, sql] : request_.set) {
      into += ", " + QuoteIdentifier(name);
      select += fmt::format(", CAST({}, {})", sql, QuoteString(FindColumn(name)->type.text));
    }
    plan_.insertion.into =
        fmt::format("{}.{} ({})", QuoteIdentifier(table().database), QuoteIdentifier(table().name), into);
    plan_.insertion.select =
        fmt::format("{} {}SELECT {}", kMark, request_.set.empty() ? "" : fmt::format("WITH {} ", aliases), select);
    plan_.insertion.structure = structure;
    return Status::OK();
  }

  Status FindRange() {
    if (request_.from && request_.to && *request_.from >= *request_.to) {
      return MakeError(ErrorKind::kConfig, "--from is not before --to: there is nothing to restore");
    }
    if (request_.from) plan_.range.from = *request_.from - 1;
    plan_.range.to = request_.to ? *request_.to - 1 : INT64_MAX;
    return Status::OK();
  }

  const RestoreContext& context_;
  const RestoreRequest& request_;
  std::string* created_;
  RestorePlan plan_;
  std::set<std::string> inserted_;  // columns of both, unchanged
  std::vector<NestedField> only_read_;
};

}  // namespace

Result<RestorePlan> PlanRestore(const RestoreContext& context, const RestoreRequest& request, std::string* created) {
  return RestorePlanner(context, request, created).Run();
}

bool MentionsName(const std::string& sql, const std::string& name) {
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = sql.find(name); at != std::string::npos; at = sql.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !is_word(sql[at - 1])) && (end == sql.size() || !is_word(sql[end]))) return true;
  }
  return false;
}

}  // namespace calve::offload
