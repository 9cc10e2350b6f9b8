#include "calve/offload/restore_conversion.h"

#include <algorithm>

#include "calve/source/introspection.h"

namespace calve::offload {
namespace {

using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeId;
using source::ClickHouseType;
using source::QuoteIdentifier;
using source::QuoteString;
using source::TypeKind;

Status Refuse(const std::string& column, const std::string& why) {
  const std::string top = column.substr(0, column.find('.'));
  return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: {}", column, why),
                   fmt::format("Say how with --set '{0}=SQL over the cold columns', leave it out with --exclude {0}, "
                               "or restore into a table of plain types.",
                               top));
}

// The names under which a tuple's elements and a table's columns are made differ in how they are written alone.
struct Spelling {
  bool travels = false;
};

Result<std::string> TypeText(const std::string& path, const Type& cold, bool optional, Spelling spelling);

Result<std::string> TupleText(const std::string& path, const Type& cold, Spelling spelling) {
  // As the offload calls the elements of a tuple without names.
  bool numbered = true;
  for (size_t i = 0; i < cold.fields.size(); ++i) numbered &= cold.fields[i].name == std::to_string(i + 1);
  std::string text;
  for (const NestedField& field : cold.fields) {
    ARROW_ASSIGN_OR_RAISE(auto type, TypeText(path + "." + field.name, field.type, !field.required, spelling));
    if (!text.empty()) text += ", ";
    if (!spelling.travels && !numbered) text += QuoteIdentifier(field.name) + " ";
    text += type;
  }
  return fmt::format("Tuple({})", text);
}

Result<std::string> TypeText(const std::string& path, const Type& cold, bool optional, Spelling spelling) {
  auto plain = [&](std::string text) { return optional ? fmt::format("Nullable({})", text) : std::move(text); };
  switch (cold.id) {
    case TypeId::kBoolean:
      return plain("Bool");
    case TypeId::kInt:
      return plain("Int32");
    case TypeId::kLong:
      return plain("Int64");
    case TypeId::kFloat:
      return plain("Float32");
    case TypeId::kDouble:
      return plain("Float64");
    case TypeId::kDecimal:
      return plain(fmt::format("Decimal({}, {})", cold.precision, cold.scale));
    case TypeId::kDate:
      return plain("Date32");
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
      return plain("DateTime64(6, 'UTC')");
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return plain("DateTime64(9, 'UTC')");
    case TypeId::kString:
    case TypeId::kBinary:
      return plain("String");
    case TypeId::kFixed:
      return plain(fmt::format("FixedString({})", cold.length));
    case TypeId::kUuid:
      return plain(spelling.travels ? "FixedString(16)" : "UUID");
    case TypeId::kStruct:
      return TupleText(path, cold, spelling);
    case TypeId::kList: {
      const NestedField& element = cold.fields.at(0);
      ARROW_ASSIGN_OR_RAISE(auto text, TypeText(path + ".element", element.type, !element.required, spelling));
      return fmt::format("Array({})", text);
    }
    case TypeId::kMap: {
      const NestedField &key = cold.fields.at(0), &value = cold.fields.at(1);
      ARROW_ASSIGN_OR_RAISE(auto key_text, TypeText(path + ".key", key.type, false, spelling));
      ARROW_ASSIGN_OR_RAISE(auto value_text, TypeText(path + ".value", value.type, !value.required, spelling));
      return fmt::format("Map({}, {})", key_text, value_text);
    }
    case TypeId::kTime:
      break;
  }
  return Refuse(path, fmt::format("Iceberg's {} has no ClickHouse type to travel as", cold.ToString()));
}

class Converter {
 public:
  Result<std::string> Convert(const std::string& path, const Type& cold, bool optional, const ClickHouseType& hot,
                              const std::string& value) {
    if (hot.kind == TypeKind::kSimpleAggregateFunction) {
      return Convert(path, cold, optional, hot.children.at(0), value);
    }
    ARROW_ASSIGN_OR_RAISE(const std::string travels, TypeText(path, cold, optional, {.travels = true}));
    if (travels == hot.text) return value;
    if (hot.kind == TypeKind::kLowCardinality) {
      ARROW_ASSIGN_OR_RAISE(auto inner, Convert(path, cold, optional, hot.children.at(0), value));
      return CastTo(inner, hot);
    }
    switch (hot.Unwrapped().kind) {
      case TypeKind::kArray:
        return ConvertArray(path, cold, hot, hot.children.at(0), value);
      case TypeKind::kNested:
        return ConvertNested(path, cold, hot, value);
      case TypeKind::kMap:
        return ConvertMap(path, cold, hot, value);
      case TypeKind::kTuple:
        return ConvertTuple(path, cold, hot, value);
      default:
        return ConvertPlain(path, cold, travels, hot, value);
    }
  }

 private:
  static std::string CastTo(const std::string& value, const ClickHouseType& type) {
    return fmt::format("CAST({}, {})", value, QuoteString(type.text));
  }

  // `converted`, but an error where `changed` holds for any row.
  std::string Checked(const std::string& path, const ClickHouseType& hot, const std::string& converted,
                      const std::string& changed) const {
    const std::string message = fmt::format("column {}: a value of the cold table does not fit {}", path, hot.text);
    return fmt::format("if(throwIf(ifNull({0}, 0), {1}), {2}, {2})", changed, QuoteString(message), converted);
  }
  // The same where casting back gives another value.
  std::string CheckedBack(const std::string& path, const ClickHouseType& hot, const std::string& converted,
                          const std::string& travels, const std::string& value) const {
    return Checked(path, hot, converted, fmt::format("CAST({}, {}) != {}", converted, QuoteString(travels), value));
  }

  static Status DoesNotFit(const std::string& path, const Type& cold, const ClickHouseType& hot) {
    return Refuse(path, fmt::format("a cold {} cannot be turned into {}", cold.ToString(), hot.text));
  }

  Result<std::string> ConvertPlain(const std::string& path, const Type& cold, const std::string& travels,
                                   const ClickHouseType& hot, const std::string& value) {
    const ClickHouseType& inner = hot.Unwrapped();
    const std::string cast = CastTo(value, hot);
    const bool text = cold.id == TypeId::kString;
    switch (inner.kind) {
      case TypeKind::kInt8:
      case TypeKind::kInt16:
      case TypeKind::kInt32:
      case TypeKind::kInt64:
      case TypeKind::kInt128:
      case TypeKind::kInt256:
      case TypeKind::kUInt8:
      case TypeKind::kUInt16:
      case TypeKind::kUInt32:
      case TypeKind::kUInt64:
      case TypeKind::kUInt128:
      case TypeKind::kUInt256:
        // Decimals with digits behind the point would be cut.
        if (cold.id == TypeId::kDecimal && cold.scale > 0) break;
        return fmt::format("accurateCast({}, {})", value, QuoteString(hot.text));
      case TypeKind::kDecimal:  // an overflow is an error of CAST's
        if (cold.id == TypeId::kDecimal && cold.scale > inner.scale)
          return CheckedBack(path, hot, cast, travels, value);
        return cast;
      case TypeKind::kFloat32:
      case TypeKind::kBFloat16:
        if (cold.id != TypeId::kFloat && cold.id != TypeId::kDouble) break;
        return Checked(path, hot, cast,
                       fmt::format("CAST({0}, {1}) != {2} AND NOT isNaN({2})", cast, QuoteString(travels), value));
      case TypeKind::kBool:
      case TypeKind::kFloat64:
      case TypeKind::kString:
      case TypeKind::kDate32:
      case TypeKind::kEnum8:
      case TypeKind::kEnum16:
        return cast;
      case TypeKind::kFixedString:
        if (cold.id == TypeId::kFixed && cold.length == inner.length) return cast;
        return Checked(path, hot, cast, fmt::format("length({}) != {}", value, inner.length));
      case TypeKind::kUuid:
        if (text) return CheckedText(path, hot, cast, value);
        return CastTo(fmt::format("UUIDNumToString({})", value), hot);
      case TypeKind::kIpv4:
      case TypeKind::kIpv6:
      case TypeKind::kJson:
      case TypeKind::kObject:
      case TypeKind::kGeo:
      case TypeKind::kTime:
      case TypeKind::kTime64:
        if (!text) break;
        return CheckedText(path, hot, cast, value);
      case TypeKind::kDate:
      case TypeKind::kDateTime:
        return CheckedBack(path, hot, cast, travels, value);
      case TypeKind::kDateTime64: {
        const bool fine = cold.id == TypeId::kTimestampNs || cold.id == TypeId::kTimestampTzNs;
        if (inner.precision == (fine ? 9 : 6)) return cast;
        return CheckedBack(path, hot, cast, travels, value);
      }
      case TypeKind::kAggregateFunction:
        return Refuse(path, fmt::format("{} is an aggregation state, and cold has its value alone", inner.text));
      default:
        break;
    }
    return DoesNotFit(path, cold, hot);
  }

  // The offload wrote what toString() gave.
  std::string CheckedText(const std::string& path, const ClickHouseType& hot, const std::string& cast,
                          const std::string& value) const {
    return Checked(path, hot, cast, fmt::format("toString({}) != {}", cast, value));
  }

  std::string NewVariable() { return fmt::format("_e{}", ++variables_); }

  Result<std::string> Mapped(const std::string& path, const NestedField& element, bool optional,
                             const ClickHouseType& hot, const std::string& array) {
    const std::string variable = NewVariable();
    ARROW_ASSIGN_OR_RAISE(auto converted, Convert(path, element.type, optional, hot, variable));
    return converted == variable ? array : fmt::format("arrayMap({} -> {}, {})", variable, converted, array);
  }

  Result<std::string> ConvertArray(const std::string& path, const Type& cold, const ClickHouseType& hot,
                                   const ClickHouseType& element, const std::string& value) {
    if (cold.id != TypeId::kList) return DoesNotFit(path, cold, hot);
    const NestedField& field = cold.fields.at(0);
    ARROW_ASSIGN_OR_RAISE(auto mapped, Mapped(path + ".element", field, !field.required, element, value));
    return CastTo(mapped, hot);
  }

  // An array of tuples, under another name.
  Result<std::string> ConvertNested(const std::string& path, const Type& cold, const ClickHouseType& hot,
                                    const std::string& value) {
    ClickHouseType tuple = hot;
    tuple.kind = TypeKind::kTuple;
    tuple.text = "Tuple" + hot.text.substr(std::min(hot.text.find('('), hot.text.size()));
    ClickHouseType array;
    array.kind = TypeKind::kArray;
    array.text = fmt::format("Array({})", tuple.text);
    return ConvertArray(path, cold, array, tuple, value);
  }

  Result<std::string> ConvertMap(const std::string& path, const Type& cold, const ClickHouseType& hot,
                                 const std::string& value) {
    if (cold.id != TypeId::kMap) return DoesNotFit(path, cold, hot);
    const NestedField &key = cold.fields.at(0), &item = cold.fields.at(1);
    ARROW_ASSIGN_OR_RAISE(auto keys,
                          Mapped(path + ".key", key, false, hot.children.at(0), fmt::format("mapKeys({})", value)));
    ARROW_ASSIGN_OR_RAISE(auto values, Mapped(path + ".value", item, !item.required, hot.children.at(1),
                                              fmt::format("mapValues({})", value)));
    return CastTo(fmt::format("({}, {})", keys, values), hot);
  }

  Result<std::string> ConvertTuple(const std::string& path, const Type& cold, const ClickHouseType& hot,
                                   const std::string& value) {
    if (cold.id != TypeId::kStruct || cold.fields.size() != hot.children.size()) return DoesNotFit(path, cold, hot);
    std::string elements;
    for (size_t i = 0; i < hot.children.size(); ++i) {
      const bool named = i < hot.names.size() && !hot.names[i].empty();
      const std::string name = named ? hot.names[i] : std::to_string(i + 1);
      const auto field =
          std::find_if(cold.fields.begin(), cold.fields.end(), [&](const NestedField& f) { return f.name == name; });
      if (field == cold.fields.end()) return DoesNotFit(path, cold, hot);
      const std::string element = fmt::format("tupleElement({}, {})", value, field - cold.fields.begin() + 1);
      ARROW_ASSIGN_OR_RAISE(auto converted,
                            Convert(path + "." + name, field->type, !field->required, hot.children[i], element));
      elements += (elements.empty() ? "" : ", ") + converted;
    }
    return CastTo(fmt::format("tuple({})", elements), hot);
  }

  int variables_ = 0;
};

}  // namespace

Result<std::string> TravelTypeText(const std::string& column, const Type& cold, bool optional) {
  return TypeText(column, cold, optional, {.travels = true});
}

Result<std::string> ConversionTo(const std::string& column, const Type& cold, bool optional, const ClickHouseType& hot,
                                 const std::string& value) {
  return Converter().Convert(column, cold, optional, hot, value);
}

Result<std::string> HotTypeText(const std::string& column, const Type& cold, bool optional) {
  return TypeText(column, cold, optional, {.travels = false});
}

Result<std::string> CreateTableText(const std::string& database, const std::string& name, const iceberg::Schema& cold,
                                    const std::string& cursor) {
  std::string columns;
  for (const NestedField& field : cold.fields) {
    // The cursor is never NULL in a range, and a sorting key must not be.
    ARROW_ASSIGN_OR_RAISE(auto type, HotTypeText(field.name, field.type, !field.required && field.name != cursor));
    columns += fmt::format("{}    {} {}", columns.empty() ? "" : ",\n", QuoteIdentifier(field.name), type);
  }
  return fmt::format("CREATE TABLE {}.{}\n(\n{}\n)\nENGINE = MergeTree\nORDER BY {}", QuoteIdentifier(database),
                     QuoteIdentifier(name), columns, QuoteIdentifier(cursor));
}

}  // namespace calve::offload
