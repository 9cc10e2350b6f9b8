#include "calve/iceberg/transform.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstring>

#include "calve/iceberg/calendar.h"
#include "calve/iceberg/utf8.h"

namespace calve::iceberg {
namespace {

constexpr int64_t kMicrosPerHour = 3'600'000'000;
constexpr int64_t kNanosPerMicro = 1'000;

struct NamedTransform {
  std::string_view name;
  TransformKind kind;
};

constexpr NamedTransform kTransformNames[] = {
    {"identity", TransformKind::kIdentity}, {"year", TransformKind::kYear}, {"month", TransformKind::kMonth},
    {"day", TransformKind::kDay},           {"hour", TransformKind::kHour}, {"void", TransformKind::kVoid},
};

// N of "name[N]"; 0 where the text is not of that form.
int Parameter(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return 0;
  text.remove_prefix(name.size());
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return 0;
  text = text.substr(1, text.size() - 2);
  int number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end == text.data() + text.size() && number > 0 ? number : 0;
}

bool IsTimestamp(TypeId id) {
  return id == TypeId::kTimestamp || id == TypeId::kTimestampTz || id == TypeId::kTimestampNs ||
         id == TypeId::kTimestampTzNs;
}

bool IsNanos(TypeId id) { return id == TypeId::kTimestampNs || id == TypeId::kTimestampTzNs; }

bool AppliesTo(TransformKind kind, TypeId id) {
  switch (kind) {
    case TransformKind::kIdentity:
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return id < TypeId::kStruct;
    case TransformKind::kBucket:
      return id < TypeId::kStruct && id != TypeId::kBoolean && id != TypeId::kFloat && id != TypeId::kDouble;
    case TransformKind::kTruncate:
      return id == TypeId::kInt || id == TypeId::kLong || id == TypeId::kDecimal || id == TypeId::kString ||
             id == TypeId::kBinary;
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
      return id == TypeId::kDate || IsTimestamp(id);
    case TransformKind::kHour:
      return IsTimestamp(id);
  }
  return false;
}

int64_t MicrosOf(const Type& type, int64_t value) {
  return IsNanos(type.id) ? FloorDivide(value, kNanosPerMicro) : value;
}

// v - (((v % W) + W) % W), as the spec writes it; wraps where v is that close to the type's minimum, as Java does.
template <typename T>
T TruncateInteger(T value, int width) {
  using Unsigned = std::make_unsigned_t<T>;
  return static_cast<T>(static_cast<Unsigned>(value) - static_cast<Unsigned>(FloorModulo(value, width)));
}

Literal Truncate(const Type& type, const Literal& value, int width) {
  if (const auto* v = std::get_if<int32_t>(&value)) return TruncateInteger(*v, width);
  if (const auto* v = std::get_if<int64_t>(&value)) return TruncateInteger(*v, width);
  if (const auto* v = std::get_if<arrow::Decimal128>(&value)) {
    arrow::Decimal128 remainder = *v % arrow::Decimal128(width);
    if (remainder < arrow::Decimal128(0)) remainder += arrow::Decimal128(width);
    return *v - remainder;
  }
  if (const auto* v = std::get_if<std::string>(&value)) return TruncateLower(type, *v, width);
  return {};
}

Literal Temporal(TransformKind kind, const Type& type, const Literal& value) {
  int32_t days = 0;
  if (const auto* date = std::get_if<int32_t>(&value)) {
    days = *date;
  } else if (const auto* timestamp = std::get_if<int64_t>(&value)) {
    int64_t micros = MicrosOf(type, *timestamp);
    if (kind == TransformKind::kHour) return HoursFromMicros(micros);
    days = DaysFromMicros(micros);
  } else {
    return {};
  }
  if (kind == TransformKind::kYear) return YearsFromDays(days);
  if (kind == TransformKind::kMonth) return MonthsFromDays(days);
  return days;
}

uint32_t Mix(uint32_t block) { return std::rotl(block * 0xcc9e2d51u, 15) * 0x1b873593u; }

int32_t HashDouble(double value) {
  if (value == 0) value = 0;  // -0.0 hashes as 0.0, and every NaN as one (appendix B, note 5)
  int64_t bits = std::isnan(value) ? 0x7ff8000000000000 : std::bit_cast<int64_t>(value);
  return HashLong(bits);
}

}  // namespace

std::string Transform::ToString() const {
  if (kind == TransformKind::kBucket) return fmt::format("bucket[{}]", param);
  if (kind == TransformKind::kTruncate) return fmt::format("truncate[{}]", param);
  for (const NamedTransform& named : kTransformNames) {
    if (named.kind == kind) return std::string(named.name);
  }
  return unknown;
}

Transform ParseTransform(std::string_view text) {
  for (const NamedTransform& named : kTransformNames) {
    if (named.name == text) return {named.kind, 0, ""};
  }
  if (int buckets = Parameter(text, "bucket")) return {TransformKind::kBucket, buckets, ""};
  if (int width = Parameter(text, "truncate")) return {TransformKind::kTruncate, width, ""};
  return {TransformKind::kUnknown, 0, std::string(text)};
}

Result<Type> ResultType(const Transform& transform, const Type& source) {
  if (!AppliesTo(transform.kind, source.id)) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("transform {} does not apply to type {}", transform.ToString(), source.ToString()));
  }
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kTruncate:
    case TransformKind::kVoid:
      return source;
    case TransformKind::kDay:
      return Type::Of(TypeId::kDate);
    case TransformKind::kUnknown:
      return Type::Of(TypeId::kString);  // nobody knows; Java says string too
    default:
      return Type::Of(TypeId::kInt);
  }
}

Literal ApplyTransform(const Transform& transform, const Type& source, const Literal& value) {
  if (IsNull(value)) return {};
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return value;
    case TransformKind::kBucket:
      if (transform.param <= 0) return {};
      return (HashLiteral(source, value) & INT_MAX) % transform.param;
    case TransformKind::kTruncate:
      if (transform.param <= 0) return {};
      return Truncate(source, value, transform.param);
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
    case TransformKind::kHour:
      return Temporal(transform.kind, source, value);
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      break;
  }
  return {};
}

uint32_t Murmur3(std::string_view bytes) {
  uint32_t hash = 0;
  size_t position = 0;
  for (; position + 4 <= bytes.size(); position += 4) {
    uint32_t block;
    std::memcpy(&block, bytes.data() + position, 4);
    hash = std::rotl(hash ^ Mix(block), 13) * 5 + 0xe6546b64u;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > position; --i) tail = tail << 8 | static_cast<uint8_t>(bytes[i - 1]);
  hash ^= Mix(tail);  // Mix(0) is 0: nothing happens without a tail
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

int32_t HashLong(int64_t value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  return static_cast<int32_t>(Murmur3(std::string_view(bytes, sizeof value)));
}

int32_t HashLiteral(const Type& type, const Literal& value) {
  if (const auto* v = std::get_if<int32_t>(&value)) return HashLong(*v);
  if (const auto* v = std::get_if<int64_t>(&value)) return HashLong(MicrosOf(type, *v));
  if (const auto* v = std::get_if<bool>(&value)) return HashLong(*v ? 1 : 0);
  if (const auto* v = std::get_if<float>(&value)) return HashDouble(*v);
  if (const auto* v = std::get_if<double>(&value)) return HashDouble(*v);
  if (const auto* v = std::get_if<std::string>(&value)) return static_cast<int32_t>(Murmur3(*v));
  return static_cast<int32_t>(Murmur3(ToBytes(type, value)));
}

int32_t DaysFromMicros(int64_t micros) { return static_cast<int32_t>(FloorDivide(micros, 24 * kMicrosPerHour)); }

int32_t HoursFromMicros(int64_t micros) { return static_cast<int32_t>(FloorDivide(micros, kMicrosPerHour)); }

int32_t MonthsFromDays(int32_t days) {
  CivilDate date = CivilFromDays(days);
  return static_cast<int32_t>((date.year - 1970) * 12 + date.month - 1);
}

int32_t YearsFromDays(int32_t days) { return static_cast<int32_t>(CivilFromDays(days).year - 1970); }

}  // namespace calve::iceberg
