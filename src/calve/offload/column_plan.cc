#include "calve/offload/column_plan.h"

#include <algorithm>

#include "calve/datafile/conform.h"
#include "calve/iceberg/utf8.h"
#include "calve/offload/type_mapping.h"
#include "calve/source/native_decoder.h"

namespace calve::offload {
namespace {

using iceberg::NestedField;
using iceberg::Type;

bool Contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool HasColumn(const source::SourceTable& table, const std::string& name) {
  return std::any_of(table.columns.begin(), table.columns.end(), [&](const auto& c) { return c.name == name; });
}

bool IsIdentifier(const iceberg::Schema& schema, int field_id) {
  const auto& ids = schema.identifier_field_ids;
  return std::find(ids.begin(), ids.end(), field_id) != ids.end();
}

Status CheckNames(const source::SourceTable& table, const ColumnOptions& options) {
  auto unknown = [&](const std::string& option, const std::string& name) {
    std::string names;
    for (const auto& c : table.columns) names += (names.empty() ? "" : ", ") + c.name;
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("{} names column {}, which {}.{} does not have", option, name, table.database, table.name),
        fmt::format("Its columns are: {}.", names));
  };
  for (const auto& [name, type] : options.types) {
    if (!HasColumn(table, name) && !options.expressions.contains(name)) return unknown("--type", name);
  }
  for (const std::string& name : options.excluded) {
    if (!HasColumn(table, name)) return unknown("--exclude", name);
  }
  for (const auto& [name, to] : options.renamed) {
    if (!HasColumn(table, name)) return unknown("--rename", name);
    if (Contains(options.excluded, name)) {
      return MakeError(ErrorKind::kConfig, fmt::format("column {} is renamed to {} and excluded", name, to),
                       "Do one of the two.");
    }
  }
  return Status::OK();
}

std::optional<Type> WantedType(const ColumnOptions& options, const std::string& name) {
  auto found = options.types.find(name);
  return found == options.types.end() ? std::nullopt : std::optional<Type>(found->second);
}

// OK where every value of the column fits the field or is checked to.
Status CheckConforms(const SelectedColumn& column, const NestedField& field) {
  // To Arrow a FixedString(16) looks like a UUID; its bytes are not one.
  bool fixed_string = column.type.Unwrapped().kind == source::TypeKind::kFixedString;
  if (fixed_string && (field.type.id == iceberg::TypeId::kString || field.type.id == iceberg::TypeId::kUuid)) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: {} is not text", column.name, column.type.text));
  }
  ARROW_ASSIGN_OR_RAISE(auto arrow_field, source::ArrowFieldOf(column.name, column.type));
  iceberg::Schema one;
  one.fields = {field};
  return datafile::Conformer::Make(one, *arrow::schema({arrow_field})).status();
}

Status DoesNotFit(const SelectedColumn& column, const NestedField& field) {
  return MakeError(
      ErrorKind::kConfig,
      fmt::format("column {}: ClickHouse type {} does not fit the target's {} without loss", column.name,
                  column.type.text, field.type.ToString()),
      fmt::format("Convert it with --expr '{0}=…', leave it out with --exclude {0}, or change the target's column.",
                  column.name));
}

// The field as it has to become for the column to fit, and the column as it has to be selected.
struct Fit {
  NestedField field;
  SelectedColumn column;
};

Result<Fit> FitColumn(const SelectedColumn& column, const NestedField& field, bool identifier) {
  Fit fit{field, column};
  bool nullable = !column.required;
  // Making a field optional is always allowed, but for identifier fields: their nulls are refused value by value.
  if (field.required && nullable && !identifier) fit.field.required = false;
  if (CheckConforms(fit.column, fit.field).ok()) return fit;
  if (field.type.id == iceberg::TypeId::kString && !column.source_name.empty()) {
    if (auto text = TextExpression(column.source_name, column.type)) {
      fit.column.expression = *text;
      ARROW_ASSIGN_OR_RAISE(fit.column.type, source::ParseClickHouseType(nullable ? "Nullable(String)" : "String"));
      if (CheckConforms(fit.column, fit.field).ok()) return fit;
    }
  }
  if (iceberg::CanPromote(field.type, column.target_type)) {
    fit.column = column;
    fit.field.type = column.target_type;
    if (CheckConforms(fit.column, fit.field).ok()) return fit;
  }
  return DoesNotFit(column, field);
}

}  // namespace

Result<DraftColumns> DraftSelect(const source::SourceTable& table, const ColumnOptions& options) {
  ARROW_RETURN_NOT_OK(CheckNames(table, options));
  DraftColumns draft;
  auto add = [&](SelectedColumn column, bool ask) {
    if (ask) draft.ask.push_back(draft.columns.size());
    const auto source = std::ranges::find(table.columns, column.name, &source::SourceColumn::name);
    if (source != table.columns.end() && iceberg::IsUtf8(source->comment)) column.comment = source->comment;
    if (auto to = options.renamed.find(column.name); to != options.renamed.end()) column.name = to->second;
    draft.columns.push_back(std::move(column));
  };
  for (const source::SourceColumn& c : table.columns) {
    if (Contains(options.excluded, c.name)) continue;
    auto wanted = WantedType(options, c.name);
    if (auto expr = options.expressions.find(c.name); expr != options.expressions.end()) {
      add(SelectedColumn{c.name, expr->second, {}, wanted.value_or(Type{}), false, wanted.has_value()}, true);
      continue;
    }
    if (!c.default_kind.empty() && c.default_kind != "DEFAULT") continue;
    ARROW_ASSIGN_OR_RAISE(MappedColumn mapped, MapColumn(c.name, c.type, wanted));
    bool ask = mapped.retyped || mapped.expression != source::QuoteIdentifier(c.name);
    const bool as_it_is = mapped.expression == source::QuoteIdentifier(c.name);
    add(SelectedColumn{c.name, mapped.expression, c.type, wanted.value_or(mapped.type), mapped.required,
                       wanted.has_value(), "", as_it_is ? c.name : ""},
        ask);
  }
  for (const auto& [name, expression] : options.expressions) {
    if (!HasColumn(table, name)) {
      const auto wanted = WantedType(options, name);
      add(SelectedColumn{name, expression, {}, wanted.value_or(Type{}), false, wanted.has_value()}, true);
    }
  }
  for (size_t i = 0; i < draft.columns.size(); ++i) {
    const std::string& name = draft.columns[i].name;
    if (std::ranges::count(draft.columns, name, &SelectedColumn::name) == 1) continue;
    return MakeError(ErrorKind::kConfig,
                     fmt::format("two columns of {}.{} are called {} in the target", table.database, table.name, name),
                     "Rename them apart, or exclude one.");
  }
  if (draft.columns.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("nothing of {}.{} is left to offload", table.database, table.name),
                     "Exclude fewer columns.");
  }
  return draft;
}

Result<std::vector<SelectedColumn>> FinishSelect(DraftColumns draft, const std::vector<source::ClickHouseType>& types) {
  for (size_t i = 0; i < draft.ask.size(); ++i) {
    SelectedColumn& column = draft.columns[draft.ask[i]];
    column.type = types.at(i);
    const auto wanted = column.fixed_type ? std::optional<Type>(column.target_type) : std::nullopt;
    ARROW_ASSIGN_OR_RAISE(MappedColumn mapped, MapColumn(column.name, column.type, wanted));
    if (mapped.retyped) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("column {}: its expression yields {}, which has no faithful Iceberg type",
                                   column.name, column.type.text),
                       "Let the expression yield a plain type, toString(…) for example.");
    }
    column.target_type = std::move(mapped.type);
    column.required = mapped.required;
  }
  // A type that was asked for must be one that the column can become, before anything is written.
  for (const SelectedColumn& column : draft.columns) {
    NestedField field{1, column.name, column.required, column.target_type, ""};
    std::vector<NestedField> fields = {field};
    iceberg::AssignFreshIds(fields, 1);
    Status fits = CheckConforms(column, fields[0]);
    if (!fits.ok()) return column.fixed_type ? DoesNotFit(column, fields[0]) : fits;
  }
  return std::move(draft.columns);
}

iceberg::Schema NewSchema(const std::vector<SelectedColumn>& columns) {
  iceberg::Schema schema;
  for (const SelectedColumn& column : columns) {
    schema.fields.push_back(NestedField{0, column.name, column.required, column.target_type, column.comment});
  }
  iceberg::AssignFreshIds(schema.fields, 1);
  return schema;
}

Result<TargetMatch> MatchTarget(const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                                const ColumnOptions& options) {
  TargetMatch match;
  match.schema = target.schema();
  auto find = [&](const std::string& name) {
    return std::find_if(match.schema.fields.begin(), match.schema.fields.end(),
                        [&](const NestedField& f) { return f.name == name; });
  };
  int last_id = target.last_column_id;
  for (const SelectedColumn& column : columns) {
    auto field = find(column.name);
    if (field == match.schema.fields.end()) {
      if (options.new_columns == NewColumns::kFail) {
        return MakeError(
            ErrorKind::kConfig,
            fmt::format("column {} ({}) is new: the target does not have it", column.name, column.type.text),
            fmt::format("Add it with --new-columns add, or leave it out with --exclude {}.", column.name));
      }
      if (options.new_columns == NewColumns::kIgnore) {
        match.notes.push_back(fmt::format("column {} is not in the target and left out", column.name));
        continue;
      }
      std::vector<NestedField> added = {NestedField{0, column.name, false, column.target_type, column.comment}};
      last_id = iceberg::AssignFreshIds(added, last_id + 1);
      match.schema.fields.push_back(added[0]);
      match.notes.push_back(
          fmt::format("column {} is added to the target as {}", column.name, added[0].type.ToString()));
      match.columns.push_back(column);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(Fit fit, FitColumn(column, *field, IsIdentifier(match.schema, field->id)));
    if (!(fit.field.type == field->type)) {
      match.notes.push_back(fmt::format("column {} is widened in the target from {} to {}", column.name,
                                        field->type.ToString(), fit.field.type.ToString()));
    } else if (fit.field.required != field->required) {
      match.notes.push_back(fmt::format("column {} is made optional in the target", column.name));
    }
    // A comment that somebody gave the target's column stays.
    if (field->doc.empty() && !column.comment.empty()) {
      fit.field.doc = column.comment;
      match.notes.push_back(fmt::format("column {} of the target gets ClickHouse's comment", column.name));
    }
    *field = fit.field;
    match.columns.push_back(fit.column);
  }
  for (NestedField& field : match.schema.fields) {
    bool selected = std::any_of(match.columns.begin(), match.columns.end(),
                                [&](const SelectedColumn& c) { return c.name == field.name; });
    if (selected || !field.required) continue;
    if (IsIdentifier(match.schema, field.id)) {
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("column {} identifies the target's rows, and the source does not have it", field.name),
          fmt::format("Compute it with --expr '{}=…'.", field.name));
    }
    field.required = false;
    match.notes.push_back(fmt::format("column {} is made optional in the target: the source lacks it", field.name));
  }
  match.schema_changed = !iceberg::SameFields(match.schema, target.schema());
  return match;
}

SchemaChange ChangeSchema(const iceberg::TableMetadata& target, const iceberg::Schema& schema) {
  iceberg::Schema added = schema;
  added.schema_id = 0;
  for (const iceberg::Schema& known : target.schemas) added.schema_id = std::max(added.schema_id, known.schema_id + 1);
  SchemaChange change;
  change.requirements = {iceberg::AssertTableUuid{target.table_uuid},
                         iceberg::AssertCurrentSchemaId{target.current_schema_id},
                         iceberg::AssertLastAssignedFieldId{target.last_column_id}};
  change.updates = {iceberg::AddSchema{added}, iceberg::SetCurrentSchema{-1}};
  return change;
}

}  // namespace calve::offload
