#include "calve/iceberg/literal.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "calve/iceberg/calendar.h"
#include "calve/iceberg/utf8.h"

namespace calve::iceberg {
namespace {

static_assert(std::endian::native == std::endian::little, "appendix D is little-endian; swap bytes on other machines");

template <typename T>
int Compare(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

template <typename T>
int CompareFloating(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return Compare(std::isnan(a), std::isnan(b));
  if (a == b) return Compare(std::signbit(b), std::signbit(a));  // -0.0 before 0.0
  return Compare(a, b);
}

template <typename T>
std::string LittleEndian(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

template <typename T>
T FromLittleEndian(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// A byte that says nothing but the sign that the next byte says as well.
bool FirstByteIsRedundant(std::string_view bytes) {
  if (bytes.size() < 2) return false;
  auto first = static_cast<uint8_t>(bytes[0]);
  bool next_negative = (static_cast<uint8_t>(bytes[1]) & 0x80) != 0;
  return (first == 0x00 && !next_negative) || (first == 0xff && next_negative);
}

std::string DecimalToBytes(const arrow::Decimal128& value) {
  std::array<uint8_t, 16> little = value.ToBytes();
  std::string big(little.rbegin(), little.rend());
  std::string_view rest = big;
  while (FirstByteIsRedundant(rest)) rest.remove_prefix(1);
  return std::string(rest);
}

std::optional<arrow::Decimal128> DecimalFromBytes(std::string_view bytes) {
  while (FirstByteIsRedundant(bytes)) bytes.remove_prefix(1);
  if (bytes.empty() || bytes.size() > 16) return std::nullopt;
  uint8_t fill = (static_cast<uint8_t>(bytes[0]) & 0x80) != 0 ? 0xff : 0x00;
  std::array<uint8_t, 16> little;
  little.fill(fill);
  for (size_t i = 0; i < bytes.size(); ++i) little[i] = static_cast<uint8_t>(bytes[bytes.size() - 1 - i]);
  return arrow::Decimal128(little.data());
}

Status WrongLength(const Type& type, size_t length) {
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("a value of type {} cannot have {} bytes", type.ToString(), length));
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

std::string UuidText(std::string_view bytes) {
  std::string hex = Hex(bytes);
  if (hex.size() != 32) return hex;
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

// The next higher string of the same number of code points or fewer; nullopt where there is none.
std::optional<std::string> RoundUpText(std::string text) {
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && (static_cast<uint8_t>(text[last]) & 0xc0) == 0x80) --last;
    CodePoint point = FirstCodePoint(std::string_view(text).substr(last));
    if (point.bytes == 0) return std::nullopt;  // not UTF-8: no bound is better than a wrong one
    text.resize(last);
    if (point.value == 0x10ffff) continue;
    // Surrogates are no characters: what follows U+D7FF is U+E000.
    AppendUtf8(point.value == 0xd7ff ? 0xe000 : point.value + 1, text);
    return text;
  }
  return std::nullopt;
}

std::optional<std::string> RoundUpBytes(std::string bytes) {
  while (!bytes.empty()) {
    auto last = static_cast<uint8_t>(bytes.back());
    bytes.pop_back();
    if (last == 0xff) continue;
    bytes.push_back(static_cast<char>(last + 1));
    return bytes;
  }
  return std::nullopt;
}

size_t KeptBytes(const Type& type, const std::string& value, int length) {
  if (type.id == TypeId::kString) return PrefixBytes(value, length);
  return std::min(value.size(), static_cast<size_t>(std::max(length, 0)));
}

}  // namespace

int CompareLiterals(const Literal& a, const Literal& b) {
  if (a.index() != b.index()) return Compare(a.index(), b.index());
  return std::visit(
      [&](const auto& left) -> int {
        using T = std::decay_t<decltype(left)>;
        const T& right = std::get<T>(b);
        if constexpr (std::is_same_v<T, std::monostate>) {
          return 0;
        } else if constexpr (std::is_floating_point_v<T>) {
          return CompareFloating(left, right);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return Compare(left.compare(right), 0);  // char_traits<char> compares unsigned bytes
        } else {
          return Compare(left, right);
        }
      },
      a);
}

std::string ToBytes(const Type& type, const Literal& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return {};
        } else if constexpr (std::is_same_v<T, bool>) {
          return std::string(1, v ? '\1' : '\0');
        } else if constexpr (std::is_same_v<T, std::string>) {
          return v;
        } else if constexpr (std::is_same_v<T, arrow::Decimal128>) {
          return DecimalToBytes(v);
        } else {
          return LittleEndian(v);
        }
      },
      value);
}

Result<Literal> FromBytes(const Type& type, std::string_view bytes) {
  switch (type.id) {
    case TypeId::kBoolean:
      if (bytes.size() != 1) return WrongLength(type, bytes.size());
      return bytes[0] != '\0';
    case TypeId::kInt:
    case TypeId::kDate:
      if (bytes.size() != 4) return WrongLength(type, bytes.size());
      return FromLittleEndian<int32_t>(bytes);
    case TypeId::kLong:
      // Written while the column was an int.
      if (bytes.size() == 4) return int64_t{FromLittleEndian<int32_t>(bytes)};
      [[fallthrough]];
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      if (bytes.size() != 8) return WrongLength(type, bytes.size());
      return FromLittleEndian<int64_t>(bytes);
    case TypeId::kFloat:
      if (bytes.size() != 4) return WrongLength(type, bytes.size());
      return FromLittleEndian<float>(bytes);
    case TypeId::kDouble:
      if (bytes.size() == 4) return double{FromLittleEndian<float>(bytes)};
      if (bytes.size() != 8) return WrongLength(type, bytes.size());
      return FromLittleEndian<double>(bytes);
    case TypeId::kDecimal:
      if (std::optional<arrow::Decimal128> value = DecimalFromBytes(bytes)) return *value;
      return WrongLength(type, bytes.size());
    case TypeId::kUuid:
      if (bytes.size() != 16) return WrongLength(type, bytes.size());
      return std::string(bytes);
    case TypeId::kFixed:
      // Shorter is a truncated bound (Java truncates those of fixed columns too).
      if (bytes.size() > static_cast<size_t>(type.length)) return WrongLength(type, bytes.size());
      return std::string(bytes);
    case TypeId::kString:
    case TypeId::kBinary:
      return std::string(bytes);
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap:
      break;
  }
  return MakeError(ErrorKind::kCorrupt, fmt::format("type {} has no single values", type.ToString()));
}

std::string ToHumanString(const Type& type, const Literal& value) {
  if (IsNull(value)) return "null";
  constexpr int64_t kMicros = 1'000'000, kNanos = 1'000'000'000;
  if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = std::get_if<int32_t>(&value)) {
    return type.id == TypeId::kDate ? FormatDate(*v) : fmt::to_string(*v);
  }
  if (const auto* v = std::get_if<int64_t>(&value)) {
    switch (type.id) {
      case TypeId::kTime:
        return FormatTimeOfDay(*v, kMicros);
      case TypeId::kTimestamp:
        return FormatDateTime(*v, kMicros);
      case TypeId::kTimestampTz:
        return FormatDateTime(*v, kMicros) + "+00:00";
      case TypeId::kTimestampNs:
        return FormatDateTime(*v, kNanos);
      case TypeId::kTimestampTzNs:
        return FormatDateTime(*v, kNanos) + "+00:00";
      default:
        return fmt::to_string(*v);
    }
  }
  if (const auto* v = std::get_if<float>(&value)) return fmt::format("{}", *v);
  if (const auto* v = std::get_if<double>(&value)) return fmt::format("{}", *v);
  if (const auto* v = std::get_if<arrow::Decimal128>(&value)) {
    std::string digits = v->ToIntegerString();
    bool negative = digits.front() == '-';
    if (negative) digits.erase(0, 1);
    if (type.scale > 0) {
      auto scale = static_cast<size_t>(type.scale);
      if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
      digits.insert(digits.size() - scale, ".");
    }
    return negative ? "-" + digits : digits;
  }
  const std::string& bytes = std::get<std::string>(value);
  if (type.id == TypeId::kString) return bytes;
  return type.id == TypeId::kUuid ? UuidText(bytes) : Hex(bytes);
}

std::string TruncateLower(const Type& type, const std::string& value, int length) {
  return value.substr(0, KeptBytes(type, value, length));
}

std::optional<std::string> TruncateUpper(const Type& type, const std::string& value, int length) {
  size_t kept = KeptBytes(type, value, length);
  if (kept == value.size()) return value;
  std::string prefix = value.substr(0, kept);
  return type.id == TypeId::kString ? RoundUpText(std::move(prefix)) : RoundUpBytes(std::move(prefix));
}

}  // namespace calve::iceberg
