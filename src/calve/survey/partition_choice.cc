#include "calve/survey/partition_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "calve/iceberg/partition_spec.h"
#include "calve/offload/mode.h"
#include "calve/offload/type_mapping.h"
#include "calve/survey/sql_tokens.h"

namespace calve::survey {
namespace {

constexpr size_t kValuesMax = 64;
constexpr int64_t kSmallRows = 1'000'000;

enum class Grain { kDay, kMonth };

struct GrainFunction {
  std::string_view name;
  Grain grain;
  std::string_view noun;
};
constexpr std::array<GrainFunction, 16> kGrainFunctions = {{{"toYYYYMMDD", Grain::kDay, "day"},
                                                            {"toDate", Grain::kDay, "day"},
                                                            {"toDate32", Grain::kDay, "day"},
                                                            {"toStartOfDay", Grain::kDay, "day"},
                                                            {"toStartOfHour", Grain::kDay, "hour"},
                                                            {"toYYYYMMDDhhmmss", Grain::kDay, "second"},
                                                            {"toMonday", Grain::kDay, "week"},
                                                            {"toStartOfWeek", Grain::kDay, "week"},
                                                            {"toYearWeek", Grain::kDay, "week"},
                                                            {"toYYYYMM", Grain::kMonth, "month"},
                                                            {"toStartOfMonth", Grain::kMonth, "month"},
                                                            {"toMonth", Grain::kMonth, "month"},
                                                            {"toStartOfQuarter", Grain::kMonth, "quarter"},
                                                            {"toQuarter", Grain::kMonth, "quarter"},
                                                            {"toYear", Grain::kMonth, "year"},
                                                            {"toStartOfYear", Grain::kMonth, "year"}}};

bool HasType(const source::SourceTable& table, const std::string& name, std::initializer_list<source::TypeKind> kinds) {
  const source::SourceColumn* column = FindColumn(table, name);
  if (!column) return false;
  return std::ranges::find(kinds, column->type.Unwrapped().kind) != kinds.end();
}

bool IsTimeOrDate(const source::SourceTable& table, const std::string& name) {
  using source::TypeKind;
  return HasType(table, name, {TypeKind::kDateTime, TypeKind::kDateTime64, TypeKind::kDate, TypeKind::kDate32});
}

// As ClickHouse partitions by time itself; none where it does not.
const GrainFunction* GrainOfKey(const source::SourceTable& table) {
  for (const KeyElement& element : KeyElements(table.partition_key)) {
    if (HasType(table, element.column, {source::TypeKind::kDate, source::TypeKind::kDate32}))
      return &kGrainFunctions[0];
    const auto* found = std::ranges::find(kGrainFunctions, element.function, &GrainFunction::name);
    const bool of_time = std::ranges::any_of(element.names, [&](auto& name) { return IsTimeOrDate(table, name); });
    if (found != kGrainFunctions.end() && of_time) return found;
  }
  return nullptr;
}

struct TimePart {
  Grain grain = Grain::kDay;
  std::string why;
};
TimePart ChooseTimePart(const TableFacts& facts) {
  const source::SourceTable& table = facts.table;
  if (const GrainFunction* own = GrainOfKey(table)) {
    return {own->grain,
            fmt::format("{}: ClickHouse partitions by {}", own->grain == Grain::kDay ? "Days" : "Months", own->noun)};
  }
  if (offload::ReadsMerged(table.engine) && !offload::MergeRulesOf(table).whole_rows) {
    return {Grain::kMonth, "Months: rows that sum others up are few"};
  }
  if (table.total_rows && *table.total_rows > 0 && *table.total_rows < kSmallRows) {
    return {Grain::kMonth, fmt::format("Months: {} rows are few, and small files are slow to read", *table.total_rows)};
  }
  return {Grain::kDay, "Days, the usual; months() if a day has only a few thousand rows"};
}

std::string ColumnTerm(const std::string& column) {
  const bool plain =
      std::ranges::all_of(column, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  return plain ? column : "`" + column + "`";
}

// The target's schema, near enough to try terms on.
iceberg::Schema SchemaOf(const source::SourceTable& table, const std::string& cursor,
                         const std::vector<std::string>& unlike) {
  iceberg::Schema schema;
  for (const source::SourceColumn& column : table.columns) {
    if (!IsStored(column)) continue;
    iceberg::Type type = iceberg::Type::Of(iceberg::TypeId::kString);
    const bool alike = std::ranges::find(unlike, column.name) == unlike.end();
    if (column.name == cursor) {
      type = iceberg::Type::Of(iceberg::TypeId::kTimestampTz);
    } else if (auto mapped = offload::MapColumn(column.name, column.type, std::nullopt); alike && mapped.ok()) {
      if (!mapped->retyped) type = mapped->type;
    }
    schema.fields.push_back(iceberg::NestedField{0, column.name, false, std::move(type), ""});
  }
  iceberg::AssignFreshIds(schema.fields, 1);
  return schema;
}

// Columns whose type says that they have few values, for tables whose parts do not show it.
bool HasFewByType(const source::SourceTable& table, const std::string& name) {
  using source::TypeKind;
  const source::SourceColumn* column = FindColumn(table, name);
  return column && (column->type.kind == TypeKind::kLowCardinality ||
                    HasType(table, name, {TypeKind::kEnum8, TypeKind::kEnum16, TypeKind::kBool}));
}

// The values of one partition's tuple, as text: "'binance'" and "20240808" of "('binance',20240808)".
std::vector<std::string> ElementsOf(const std::string& partition, size_t elements) {
  if (elements == 1) return {partition};
  std::vector<std::string> texts;
  for (const KeyElement& element : KeyElements(partition)) texts.push_back(element.text);
  return texts;
}

class Partitions {
 public:
  Partitions(const TableFacts& facts, const std::string& cursor, const std::vector<std::string>& unlike)
      : facts_(facts), cursor_(cursor), unlike_(unlike), schema_(SchemaOf(facts.table, cursor, unlike)) {}

  PartitionChoice Choose() {
    AddTime();
    const auto elements = KeyElements(facts_.table.partition_key);
    for (size_t i = 0; i < elements.size(); ++i) {
      if (!elements[i].column.empty()) AddColumn(elements[i].column, elements.size(), i);
    }
    return std::move(choice_);
  }

 private:
  bool Add(const std::string& term) {
    const auto field = iceberg::ParsePartitionTerm(term, schema_);
    if (!field.ok()) return false;
    // Two columns under one name, or a term twice.
    if (!names_.insert(field->name).second) return false;
    choice_.terms.push_back(term);
    return true;
  }

  void AddTime() {
    const TimePart part = ChooseTimePart(facts_);
    const std::string column = ColumnTerm(cursor_);
    const bool by_day = part.grain == Grain::kDay;
    const std::string first = fmt::format("{}({})", by_day ? "days" : "months", column);
    const std::string second = fmt::format("{}({})", by_day ? "months" : "days", column);
    if (Add(first)) {
      choice_.why.push_back(part.why);
    } else if (Add(second)) {
      choice_.why.push_back(fmt::format("Not {}: a column of the table has that partition's name already", first));
    } else {
      choice_.why.push_back(fmt::format("Not by {}: neither {} nor {} can be written for it", cursor_, first, second));
    }
  }

  void AddColumn(const std::string& column, size_t elements, size_t index) {
    const bool known = FindColumn(facts_.table, column) && column != cursor_;
    if (!known || std::ranges::find(unlike_, column) != unlike_.end() || IsTimeOrDate(facts_.table, column)) return;
    const auto values = ValuesOfElement(facts_.partitions, elements, index);
    if (values && *values == 1) {
      choice_.why.push_back(fmt::format("Not {}, which ClickHouse partitions by: it has one value alone", column));
    } else if (values ? *values > kValuesMax : !HasFewByType(facts_.table, column)) {
      const std::string count = values ? fmt::format("{} values", *values) : "perhaps many values";
      choice_.why.push_back(fmt::format("Not {}, which ClickHouse partitions by: it has {}", column, count));
    } else if (Add(ColumnTerm(column))) {
      choice_.why.push_back(values ? fmt::format("{}, as ClickHouse does: it has {} values", column, *values)
                                   : fmt::format("{}, as ClickHouse does", column));
    } else {
      choice_.why.push_back(fmt::format("Not {}, which ClickHouse partitions by: Iceberg cannot", column));
    }
  }

  const TableFacts& facts_;
  const std::string& cursor_;
  const std::vector<std::string>& unlike_;
  const iceberg::Schema schema_;
  std::set<std::string> names_;
  PartitionChoice choice_;
};

}  // namespace

std::optional<size_t> ValuesOfElement(const std::vector<std::string>& partitions, size_t elements, size_t index) {
  std::set<std::string> values;
  for (const std::string& partition : partitions) {
    std::vector<std::string> texts = ElementsOf(partition, elements);
    if (texts.size() != elements) return std::nullopt;
    values.insert(std::move(texts[index]));
  }
  return values.empty() ? std::nullopt : std::optional<size_t>(values.size());
}

PartitionChoice ChoosePartitions(const TableFacts& facts, const std::string& cursor,
                                 const std::vector<std::string>& unlike) {
  return Partitions(facts, cursor, unlike).Choose();
}

}  // namespace calve::survey
