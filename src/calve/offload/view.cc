#include "calve/offload/view.h"

#include "calve/offload/source_select.h"
#include "calve/offload/watermark.h"

namespace calve::offload {
namespace {

using source::QuoteIdentifier;
using source::QuoteString;
using source::TypeKind;

constexpr const char* kColdAlias = "_c";
constexpr const char* kNameSuffix = "_all";

// The type of the view's column: states that ClickHouse merges by itself make no sense beside cold rows.
const source::ClickHouseType& PlainType(const source::ClickHouseType& type) {
  return type.kind == TypeKind::kSimpleAggregateFunction ? PlainType(type.children.at(0)) : type;
}

bool MayBeInsideNullable(const source::ClickHouseType& type) {
  switch (type.kind) {
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kTuple:
    case TypeKind::kNested:
    case TypeKind::kLowCardinality:
      return false;
    default:
      return true;
  }
}

// A cold column in the type of the hot one. Optional columns come as Nullable; where the hot one is not, null (the
// column was added later) is the type's default, as in parts of ClickHouse that were written before the column was
// added.
std::string ColdExpression(const std::string& name, const source::ClickHouseType& type, bool required) {
  const std::string column = fmt::format("{}.{}", kColdAlias, QuoteIdentifier(name));
  if (type.kind == TypeKind::kLowCardinality && !type.IsNullable() && !required) {
    return fmt::format("CAST({}, {})", ColdExpression(name, type.children.at(0), required), QuoteString(type.text));
  }
  if (required || type.IsNullable() || !MayBeInsideNullable(type)) {
    return fmt::format("CAST({}, {})", column, QuoteString(type.text));
  }
  return fmt::format("ifNull(CAST({}, {}), defaultValueOfTypeName({}))", column,
                     QuoteString(fmt::format("Nullable({})", type.text)), QuoteString(type.text));
}

Result<std::string> ColdTable(const iceberg::TableMetadata& target) {
  const std::string path = storage::LocalPath(target.location);
  if (path.empty()) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("no view can be made over the table at {}", target.location),
                     "Only tables of local warehouses can be read by the views that calve makes.");
  }
  return fmt::format("icebergLocal({}) AS {}", QuoteString(path), kColdAlias);
}

// "v", "db.v", with `quotes` or without.
struct ViewName {
  std::string database, name;
};
Result<ViewName> ParseViewName(const std::string& text, const source::SourceTable& table) {
  if (text.empty()) return ViewName{table.database, table.name + kNameSuffix};
  ViewName view{table.database, text};
  if (const size_t dot = text.find('.'); dot != std::string::npos) view = {text.substr(0, dot), text.substr(dot + 1)};
  for (std::string* part : {&view.database, &view.name}) {
    if (part->size() >= 2 && part->front() == '`' && part->back() == '`') *part = part->substr(1, part->size() - 2);
    if (part->empty() || part->find_first_of("`.") != std::string::npos) {
      return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not the name of a view", text),
                       "Write it as view or database.view.");
    }
  }
  if (view.database == table.database && view.name == table.name) {
    return MakeError(ErrorKind::kConfig, fmt::format("the view {} would replace the source table itself", text),
                     "Give it a name of its own.");
  }
  return view;
}

}  // namespace

std::string ViewPlan::CreateText() const {
  return fmt::format("CREATE OR REPLACE VIEW {}.{} AS {}", QuoteIdentifier(database), QuoteIdentifier(name), query);
}

Result<ViewPlan> PlanView(const source::SourceTable& table, const Cursor& cursor,
                          const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                          TimestampMicros watermark, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const ViewName view, ParseViewName(name, table));
  ARROW_ASSIGN_OR_RAISE(const std::string cold_table, ColdTable(target));
  const iceberg::NestedField* cold_cursor = target.schema().FindField(cursor.column);
  if (cold_cursor == nullptr) {
    return MakeError(ErrorKind::kConfig, fmt::format("the target has no column {} to split the view by", cursor.column),
                     "Offload the cursor column as well.");
  }
  ViewPlan plan{view.database, view.name, watermark, "", {}};
  std::string hot, cold;
  for (const SelectedColumn& column : columns) {
    const std::string quoted = QuoteIdentifier(column.name);
    const iceberg::NestedField* field = target.schema().FindField(column.name);
    if (field == nullptr) {
      plan.notes.push_back(fmt::format("column {} is not in the target and not in the view", column.name));
      continue;
    }
    const source::ClickHouseType& type = PlainType(column.type);
    const bool as_it_is = &type == &column.type && column.expression == quoted;
    const std::string expression =
        column.expression == quoted ? fmt::format("{}.{}", kTableAlias, quoted) : column.expression;
    const char* comma = hot.empty() ? "" : ", ";
    hot += as_it_is ? fmt::format("{}{} AS {}", comma, expression, quoted)
                    : fmt::format("{}CAST({}, {}) AS {}", comma, expression, QuoteString(type.text), quoted);
    cold += fmt::format("{}{} AS {}", comma, ColdExpression(column.name, type, field->required), quoted);
  }
  if (hot.empty()) return MakeError(ErrorKind::kConfig, "source and target have no column in common", "");
  for (const iceberg::NestedField& field : target.schema().fields) {
    const bool in_hot =
        std::any_of(columns.begin(), columns.end(), [&](const auto& c) { return c.name == field.name; });
    if (!in_hot) plan.notes.push_back(fmt::format("column {} is only in the target and not in the view", field.name));
  }
  const std::string split = CursorLiteral(watermark, cursor);
  const std::string hot_cursor = CursorName(cursor);
  // Rows that no window ever takes stay visible where they are.
  const std::string or_null = cursor.nullable ? fmt::format(" OR {} IS NULL", hot_cursor) : "";
  plan.query = fmt::format("SELECT {} FROM {} UNION ALL SELECT {} FROM {} WHERE {}.{} <= {}", hot,
                           RowsClause(table, fmt::format("({} > {}{})", hot_cursor, split, or_null)), cold, cold_table,
                           kColdAlias, QuoteIdentifier(cursor.column), split);
  return plan;
}

Result<ViewPlan> MakeView(const OffloadContext& context, const ViewRequest& request) {
  if (context.source.cluster()) {
    return MakeError(ErrorKind::kUnsupported, "no view joins cold with the shards of a cluster",
                     "Name one server as the source, without a cluster, and a Distributed table there.");
  }
  ARROW_ASSIGN_OR_RAISE(const auto table,
                        DescribeRows(context.source, request.source_table, request.query, request.where));
  ARROW_ASSIGN_OR_RAISE(const Cursor cursor, ResolveCursor(table, request.timestamp_column));
  ARROW_ASSIGN_OR_RAISE(const auto columns, SelectColumns(context.source, table, request.columns));
  constexpr const char* kOffloadFirst = "Offload the table once; then the view can be made.";
  const auto target = context.catalog.LoadTable(request.target);
  if (KindOf(target.status()) == ErrorKind::kNotFound)
    return WithKind(target.status(), ErrorKind::kNotFound, kOffloadFirst);
  ARROW_RETURN_NOT_OK(target.status());
  ARROW_ASSIGN_OR_RAISE(const auto watermark, ReadWatermark(target->metadata));
  if (!watermark) {
    return MakeError(ErrorKind::kNotFound, fmt::format("{} has no watermark yet", request.target.ToString()),
                     kOffloadFirst);
  }
  ARROW_ASSIGN_OR_RAISE(ViewPlan plan,
                        PlanView(table, cursor, columns, target->metadata, watermark->stamp.window_to, request.name));
  if (request.create) {
    Status created = context.source.Execute(plan.CreateText(), {});
    if (!created.ok() && MessageOf(created).find("PATH_ACCESS_DENIED") != std::string::npos) {
      created =
          WithKind(created, ErrorKind::kConfig,
                   "ClickHouse must be allowed to read the warehouse: a server's user_files_path has to contain it; "
                   "the embedded engine reads below calve's working directory.");
    }
    ARROW_RETURN_NOT_OK(WithContext(created, fmt::format("creating the view {}.{}", plan.database, plan.name)));
  }
  return plan;
}

}  // namespace calve::offload
