// One term of --partition-by: Spark's DDL spelling of a partition transform.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "calve/base/text.h"
#include "calve/iceberg/partition_spec.h"

namespace calve::iceberg {
namespace {

constexpr std::string_view kKnownTransforms =
    "years(c), months(c), days(c), hours(c), bucket(N, c), truncate(W, c), identity(c), void(c), or a column alone";

struct TermName {
  std::string_view name;
  TransformKind kind;
};

constexpr TermName kTermNames[] = {
    {"year", TransformKind::kYear},         {"years", TransformKind::kYear},    {"month", TransformKind::kMonth},
    {"months", TransformKind::kMonth},      {"day", TransformKind::kDay},       {"days", TransformKind::kDay},
    {"date", TransformKind::kDay},          {"hour", TransformKind::kHour},     {"hours", TransformKind::kHour},
    {"date_hour", TransformKind::kHour},    {"bucket", TransformKind::kBucket}, {"truncate", TransformKind::kTruncate},
    {"identity", TransformKind::kIdentity}, {"void", TransformKind::kVoid},
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::string Unquote(std::string_view text) {
  text = Trim(text);
  if (text.size() >= 2 && text.front() == text.back() && (text.front() == '`' || text.front() == '"')) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

// How many letters to change, add or drop; case does not count.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

Status UnknownColumn(std::string_view term, const std::string& column, const Schema& schema) {
  const std::string* nearest = nullptr;
  size_t best = std::max<size_t>(3, column.size() / 3) + 1;
  std::string names;
  for (const NestedField& field : schema.fields) {
    names += (names.empty() ? "" : ", ") + field.name;
    size_t distance = EditDistance(Lower(column), Lower(field.name));
    if (distance < best) nearest = &field.name, best = distance;
  }
  std::string message =
      fmt::format("partition term '{}' names column '{}', which the table does not have", term, column);
  if (nearest) message += fmt::format(" (did you mean '{}'?)", *nearest);
  return MakeError(ErrorKind::kConfig, std::move(message), fmt::format("Columns are: {}.", names));
}

// A column by its name, or by a dotted path through structs. A value inside a list or a map is not one per row.
const NestedField* FindColumn(const std::vector<NestedField>& fields, std::string_view path) {
  for (const NestedField& field : fields) {
    if (field.name == path) return &field;
    if (field.type.id == TypeId::kStruct && path.size() > field.name.size() && path.starts_with(field.name) &&
        path[field.name.size()] == '.') {
      if (const NestedField* found = FindColumn(field.type.fields, path.substr(field.name.size() + 1))) return found;
    }
  }
  return nullptr;
}

struct ParsedTerm {
  Transform transform;
  std::string column;
};

Status BadTerm(std::string_view term, std::string_view why) {
  return MakeError(ErrorKind::kConfig, fmt::format("partition term '{}': {}", term, why),
                   fmt::format("Known are {}.", kKnownTransforms));
}

std::optional<int> ParsePositive(std::string_view text) {
  text = Trim(text);
  int number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = ec == std::errc() && !text.empty() && end == text.data() + text.size();
  return whole && number > 0 ? std::optional<int>(number) : std::nullopt;
}

Result<ParsedTerm> ParseTerm(std::string_view term) {
  std::string_view text = Trim(term);
  size_t open = text.find('(');
  if (text.empty()) return BadTerm(term, "a column or transform(column) expected");
  if (open == std::string_view::npos || text.front() == '`') {
    return ParsedTerm{{TransformKind::kIdentity, 0, ""}, Unquote(text)};
  }
  if (text.back() != ')') return BadTerm(term, "the closing ) is missing");
  std::string name = Lower(Trim(text.substr(0, open)));
  auto known = std::find_if(std::begin(kTermNames), std::end(kTermNames),
                            [&](const TermName& candidate) { return candidate.name == name; });
  if (known == std::end(kTermNames)) return BadTerm(term, fmt::format("there is no transform '{}'", name));
  std::string_view arguments = text.substr(open + 1, text.size() - open - 2);
  size_t comma = arguments.find(',');
  bool wants_number = known->kind == TransformKind::kBucket || known->kind == TransformKind::kTruncate;
  if (!wants_number) {
    if (comma != std::string_view::npos || Trim(arguments).empty()) {
      return BadTerm(term, fmt::format("{} takes one column", name));
    }
    return ParsedTerm{{known->kind, 0, ""}, Unquote(arguments)};
  }
  std::string_view first = arguments.substr(0, comma);
  std::string_view second = comma == std::string_view::npos ? "" : arguments.substr(comma + 1);
  std::optional<int> number = ParsePositive(first);
  if (!number) {
    number = ParsePositive(second);
    second = first;
  }
  if (!number || Trim(second).empty()) {
    return BadTerm(term, fmt::format("{} takes a positive number and a column", name));
  }
  return ParsedTerm{{known->kind, *number, ""}, Unquote(second)};
}

// As Spark names them.
std::string FieldName(TransformKind kind, const std::string& column) {
  switch (kind) {
    case TransformKind::kBucket:
      return column + "_bucket";
    case TransformKind::kTruncate:
      return column + "_trunc";
    case TransformKind::kYear:
      return column + "_year";
    case TransformKind::kMonth:
      return column + "_month";
    case TransformKind::kDay:
      return column + "_day";
    case TransformKind::kHour:
      return column + "_hour";
    case TransformKind::kVoid:
      return column + "_null";
    default:
      return column;
  }
}

}  // namespace

Result<PartitionField> ParsePartitionTerm(std::string_view term, const Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(ParsedTerm parsed, ParseTerm(term));
  const NestedField* source = FindColumn(schema.fields, parsed.column);
  if (!source) return UnknownColumn(term, parsed.column, schema);
  auto type = ResultType(parsed.transform, source->type);
  if (!type.ok()) {
    return BadTerm(term, fmt::format("{} (column '{}')", MessageOf(type.status()), parsed.column));
  }
  PartitionField field;
  field.source_id = source->id;
  field.name = FieldName(parsed.transform.kind, parsed.column);
  field.transform = std::move(parsed.transform);
  if (field.transform.kind != TransformKind::kIdentity && schema.FindField(field.name)) {
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("partition term '{}' would be named '{}', which is a column already", term, field.name),
        "Partition by another transform or column, or rename the column.");
  }
  return field;
}

}  // namespace calve::iceberg
