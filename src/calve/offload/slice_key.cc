#include "calve/offload/slice_key.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "calve/offload/mode.h"

namespace calve::offload {
namespace {

using source::TypeKind;

// A longer value cuts where its beginning would stand.
constexpr size_t kTextBytesMax = 300;

bool IsCutOn(const source::ClickHouseType& type) {
  switch (type.kind) {
    case TypeKind::kBool:
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
    case TypeKind::kDecimal:
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kIpv4:
    case TypeKind::kIpv6:
    case TypeKind::kEnum8:
    case TypeKind::kEnum16:
    case TypeKind::kDate:
    case TypeKind::kDate32:
    case TypeKind::kDateTime:
    case TypeKind::kDateTime64:
      return true;
    case TypeKind::kFixedString:
      return type.length <= static_cast<int>(kTextBytesMax);
    default:  // of numbers, NaN is in no order
      return false;
  }
}

// The elements of "exchange, toDate(ts), `a, b`", as they stand.
std::vector<std::string> KeyElements(const std::string& key) {
  std::vector<std::string> elements(1);
  int depth = 0;
  char quote = '\0';
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (quote != '\0') {
      if (c == '\\' && i + 1 < key.size()) {
        elements.back() += key[i++];
      } else if (c == quote) {
        quote = '\0';
      }
    } else if (c == '\'' || c == '`' || c == '"') {
      quote = c;
    } else if (c == '(' || c == '[') {
      ++depth;
    } else if (c == ')' || c == ']') {
      --depth;
    } else if (c == ',' && depth == 0) {
      elements.emplace_back();
      continue;
    }
    elements.back() += key[i];
  }
  return elements;
}

const source::SourceColumn* FindColumn(const source::SourceTable& table, const std::string& name) {
  for (const source::SourceColumn& column : table.columns) {
    if (column.name == name && column.default_kind != "EPHEMERAL") return &column;
  }
  return nullptr;
}

Cursor AsCursor(const source::ClickHouseType& type) {
  const bool fine = type.kind == TypeKind::kDateTime64;
  return Cursor{"", fine ? type.precision : 0, fine, false};
}

template <typename T>
std::optional<T> WholeNumber(std::string_view text) {
  T value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// "-12.5" of any length: sign, digits before the point without leading zeros, digits behind it without trailing ones.
struct Digits {
  bool negative = false;
  std::string_view whole, fraction;
};

std::optional<Digits> ParseDigits(std::string_view text) {
  Digits digits;
  if (text.starts_with('-')) {
    digits.negative = true;
    text.remove_prefix(1);
  }
  const size_t point = std::min(text.find('.'), text.size());
  digits.whole = text.substr(0, point);
  digits.fraction = text.substr(std::min(point + 1, text.size()));
  const auto all_digits = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (digits.whole.empty() || !all_digits(digits.whole) || !all_digits(digits.fraction)) return std::nullopt;
  digits.whole.remove_prefix(std::min(digits.whole.find_first_not_of('0'), digits.whole.size()));
  digits.fraction = digits.fraction.substr(0, digits.fraction.find_last_not_of('0') + 1);
  if (digits.whole.empty() && digits.fraction.empty()) digits.negative = false;
  return digits;
}

std::partial_ordering CompareDigits(const std::string& a, const std::string& b) {
  const auto left = ParseDigits(a), right = ParseDigits(b);
  if (!left || !right) return std::partial_ordering::unordered;
  if (left->negative != right->negative) return right->negative <=> left->negative;
  std::strong_ordering size = left->whole.size() <=> right->whole.size();
  if (size == 0) size = left->whole <=> right->whole;
  if (size == 0) size = left->fraction <=> right->fraction;
  return left->negative ? 0 <=> size : size;
}

// Of "61f0c404-5cb3-11e7-907b-a6006ad3dba0" in ClickHouse's order: by the second half, then the first.
std::string UuidOrder(const std::string& text) {
  return text.size() == 36 ? text.substr(19) + text.substr(0, 18) : std::string();
}

std::optional<std::array<uint8_t, 16>> Address(int family, const std::string& text) {
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(family, text.c_str(), bytes.data()) != 1) return std::nullopt;
  return bytes;
}

std::optional<int16_t> EnumNumber(const source::ClickHouseType& type, const std::string& name) {
  for (const auto& [value, number] : type.enum_values) {
    if (value == name) return number;
  }
  return std::nullopt;
}

template <typename T>
std::partial_ordering CompareParsed(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b) return std::partial_ordering::unordered;
  return *a <=> *b;
}

// Whatever its bytes are.
std::string AsciiLiteral(const std::string& bytes) {
  std::string out = "'";
  for (const char c : bytes) {
    if (c == '\'' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c < 0x20 || c > 0x7e) {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace

std::vector<KeyColumn> CutColumns(const source::SourceTable& table, const Cursor& cursor) {
  std::vector<KeyColumn> columns;
  const auto add = [&](const source::SourceColumn& column) {
    // Rows without a cursor are in no window.
    columns.push_back({column.name, column.type.Unwrapped(), column.type.IsNullable() && column.name != cursor.column});
  };
  bool in_key = false;     // the cursor
  bool has_ended = false;  // what can be cut on
  for (const std::string& element : KeyElements(table.sorting_key)) {
    const std::vector<std::string> plain = PlainSortingKey(element);
    const source::SourceColumn* column = plain.empty() ? nullptr : FindColumn(table, plain.front());
    if (column != nullptr && column->name == cursor.column) {
      in_key = true;
      break;
    }
    has_ended |= column == nullptr || !IsCutOn(column->type.Unwrapped());
    if (!has_ended) add(*column);
  }
  const source::SourceColumn* own = FindColumn(table, cursor.column);
  if (own != nullptr && (in_key || !ReadsMerged(table.merging_engine()))) add(*own);
  return columns;
}

std::string KeyName(const KeyColumn& column) {
  return fmt::format("{}.{}", kTableAlias, source::QuoteIdentifier(column.name));
}

std::string KeyText(const KeyColumn& column) {
  const std::string name = column.nullable ? fmt::format("assumeNotNull({})", KeyName(column)) : KeyName(column);
  std::string text;
  switch (column.type.kind) {
    case TypeKind::kString:
      text = fmt::format("hex(substring(toString({}), 1, {}))", name, kTextBytesMax + 1);
      break;
    case TypeKind::kFixedString:
      text = fmt::format("hex({})", name);
      break;
    case TypeKind::kDateTime:
      text = fmt::format("toString(toInt64(toUnixTimestamp({})) * 1000000)", name);
      break;
    case TypeKind::kDateTime64:
      text = fmt::format("toString(toUnixTimestamp64Micro(CAST({} AS DateTime64(6, 'UTC'))))", name);
      break;
    default:
      text = fmt::format("toString({})", name);
  }
  if (!column.nullable) return fmt::format("concat('+', {})", text);
  return fmt::format("if(isNull({}), '-', concat('+', {}))", KeyName(column), text);
}

Result<KeyValue> ParseKeyText(const KeyColumn& column, const std::string& answer) {
  if (answer == "-") return KeyValue{true, ""};
  const bool is_hex = column.type.kind == TypeKind::kString || column.type.kind == TypeKind::kFixedString;
  const std::string text = answer.substr(std::min<size_t>(1, answer.size()));
  const auto damaged = [&] {
    return MakeError(ErrorKind::kCorrupt, fmt::format("ClickHouse answered '{}' where a value of column {}, {}, was "
                                                      "asked for",
                                                      answer.substr(0, 200), column.name, column.type.text));
  };
  if (!answer.starts_with('+')) return damaged();
  // Of nanoseconds the microsecond.
  const bool is_cut_off = column.type.kind == TypeKind::kDateTime64 && column.type.precision > 6;
  if (!is_hex) return KeyValue{false, text, is_cut_off};
  KeyValue value;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned char byte = 0;
    const auto parsed = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (parsed.ptr != text.data() + i + 2) return damaged();
    value.text += static_cast<char>(byte);
  }
  if (text.size() % 2 != 0) return damaged();
  if (column.type.kind == TypeKind::kString && value.text.size() > kTextBytesMax) {
    value.text.resize(kTextBytesMax);
    value.is_beginning = true;
  }
  // An older server's hex() leaves them out.
  if (column.type.kind == TypeKind::kFixedString) value.text.resize(static_cast<size_t>(column.type.length), '\0');
  return value;
}

std::string KeyLiteral(const KeyColumn& column, const KeyValue& value) {
  const std::string& text = value.text;
  const auto call = [&](const std::string& function) { return fmt::format("{}('{}')", function, text); };
  switch (column.type.kind) {
    case TypeKind::kInt128:
      return call("toInt128");
    case TypeKind::kInt256:
      return call("toInt256");
    case TypeKind::kUInt128:
      return call("toUInt128");
    case TypeKind::kUInt256:
      return call("toUInt256");
    case TypeKind::kDecimal: {
      const int digits = column.type.precision;
      const int bits = digits <= 9 ? 32 : digits <= 18 ? 64 : digits <= 38 ? 128 : 256;
      return fmt::format("toDecimal{}('{}', {})", bits, text, column.type.scale);
    }
    case TypeKind::kUuid:
      return call("toUUID");
    case TypeKind::kIpv4:
      return call("toIPv4");
    case TypeKind::kIpv6:
      return call("toIPv6");
    case TypeKind::kDate:
      return call("toDate");
    case TypeKind::kDate32:
      return call("toDate32");
    case TypeKind::kDateTime:
    case TypeKind::kDateTime64:
      return CursorLiteral(WholeNumber<int64_t>(text).value_or(0), AsCursor(column.type));
    case TypeKind::kFixedString:
      return fmt::format("toFixedString({}, {})", AsciiLiteral(text), column.type.length);
    case TypeKind::kString:
    case TypeKind::kEnum8:
    case TypeKind::kEnum16:
      return AsciiLiteral(text);
    default:
      return text;
  }
}

std::partial_ordering CompareKeys(const KeyColumn& column, const KeyValue& a, const KeyValue& b) {
  if (a.null || b.null) return b.null <=> a.null;
  switch (column.type.kind) {
    case TypeKind::kUuid: {
      const std::string left = UuidOrder(a.text), right = UuidOrder(b.text);
      if (left.empty() || right.empty()) return std::partial_ordering::unordered;
      return left <=> right;
    }
    case TypeKind::kIpv4:
      return CompareParsed(Address(AF_INET, a.text), Address(AF_INET, b.text));
    case TypeKind::kIpv6:
      return CompareParsed(Address(AF_INET6, a.text), Address(AF_INET6, b.text));
    case TypeKind::kEnum8:
    case TypeKind::kEnum16:
      return CompareParsed(EnumNumber(column.type, a.text), EnumNumber(column.type, b.text));
    case TypeKind::kString:
    case TypeKind::kFixedString:
    case TypeKind::kBool:  // "false", "true"
    case TypeKind::kDate:
    case TypeKind::kDate32:
      return a.text <=> b.text;  // of bytes, as unsigned numbers
    default:
      return CompareDigits(a.text, b.text);
  }
}

}  // namespace calve::offload
