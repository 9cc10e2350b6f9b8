#include "calve/iceberg/partition_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "calve/iceberg/calendar.h"

namespace calve::iceberg {
namespace {

std::string Base64(std::string_view bytes) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kAlphabet[group >> (18 - 6 * k) & 0x3f] : '=';
  }
  return text;
}

// BigDecimal.toString: plain down to an exponent of -6, else scientific ("1E-8").
std::string JavaDecimal(const arrow::Decimal128& value, int scale) {
  std::string digits = value.ToIntegerString();
  bool negative = digits.front() == '-';
  if (negative) digits.erase(0, 1);
  int exponent = static_cast<int>(digits.size()) - 1 - scale;
  if (exponent >= -6) return ToHumanString(Type::Decimal(38, scale), value);
  std::string text = negative ? "-" : "";
  text += digits[0];
  if (digits.size() > 1) text += "." + digits.substr(1);
  return text + fmt::format("E{}", exponent);
}

// Double.toString and Float.toString: at least one digit on both sides of the point; scientific below 10^-3 and from
// 10^7 on.
template <typename T>
std::string JavaFloating(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  T magnitude = std::abs(value);
  bool plain = magnitude == 0 || (magnitude >= T(1e-3) && magnitude < T(1e7));
  char buffer[64];
  auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value, format);
  std::string text(buffer, end);
  if (plain) return text.find('.') == std::string::npos ? text + ".0" : text;
  size_t e = text.find('e');
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  return mantissa + fmt::format("E{}", std::stoi(text.substr(e + 1)));
}

std::string OrdinalText(TransformKind kind, int32_t ordinal) {
  switch (kind) {
    case TransformKind::kYear:
      return fmt::format("{:04}", int64_t{1970} + ordinal);
    case TransformKind::kMonth:
      return fmt::format("{:04}-{:02}", 1970 + FloorDivide(ordinal, 12), FloorModulo(ordinal, 12) + 1);
    case TransformKind::kDay:
      return FormatDate(ordinal);
    case TransformKind::kHour:
      return fmt::format("{}-{:02}", FormatDate(FloorDivide(ordinal, 24)), FloorModulo(ordinal, 24));
    default:
      return fmt::to_string(ordinal);
  }
}

bool HasOrdinals(TransformKind kind) {
  return kind == TransformKind::kBucket || kind == TransformKind::kYear || kind == TransformKind::kMonth ||
         kind == TransformKind::kDay || kind == TransformKind::kHour;
}

}  // namespace

std::string UrlEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                c == '*' || c == '_';
    if (kept) {
      encoded += c;
    } else if (c == ' ') {
      encoded += '+';
    } else {
      encoded += '%';
      encoded += kHex[static_cast<uint8_t>(c) >> 4];
      encoded += kHex[static_cast<uint8_t>(c) & 0xf];
    }
  }
  return encoded;
}

std::string PartitionValueText(const Transform& transform, const Type& source, const Literal& value) {
  if (IsNull(value)) return "null";
  const auto* ordinal = std::get_if<int32_t>(&value);
  if (ordinal && HasOrdinals(transform.kind)) return OrdinalText(transform.kind, *ordinal);
  if (const auto* v = std::get_if<float>(&value)) return JavaFloating(*v);
  if (const auto* v = std::get_if<double>(&value)) return JavaFloating(*v);
  if (const auto* v = std::get_if<arrow::Decimal128>(&value)) return JavaDecimal(*v, source.scale);
  if (source.id == TypeId::kBinary || source.id == TypeId::kFixed) {
    if (const auto* bytes = std::get_if<std::string>(&value)) return Base64(*bytes);
  }
  return ToHumanString(source, value);
}

}  // namespace calve::iceberg
