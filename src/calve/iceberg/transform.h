// Partition transforms. Spec: "Partition Transforms", hashes in appendix B.
#pragma once

#include <string>
#include <string_view>

#include "calve/iceberg/literal.h"

namespace calve::iceberg {

enum class TransformKind { kIdentity, kBucket, kTruncate, kYear, kMonth, kDay, kHour, kVoid, kUnknown };

struct Transform {
  TransformKind kind = TransformKind::kIdentity;
  int param = 0;        // kBucket: N; kTruncate: W
  std::string unknown;  // kUnknown: the text as read. Such a table can be read, not written.

  std::string ToString() const;  // "bucket[16]", "day"
  friend bool operator==(const Transform&, const Transform&) = default;
};

// The spec's spelling ("bucket[16]"). Never fails: what it does not know is kUnknown.
Transform ParseTransform(std::string_view text);

// What `transform` yields for `source`; kUnsupported, naming both, where it does not apply to that type.
// day yields date (Java and the spec's type table), year, month and hour yield int.
Result<Type> ResultType(const Transform& transform, const Type& source);

// Null yields null; void yields null.
Literal ApplyTransform(const Transform& transform, const Type& source, const Literal& value);

// Murmur3 x86 32-bit, seed 0.
uint32_t Murmur3(std::string_view bytes);
// Appendix B's hash of a value (before `& INT_MAX` and `% N`).
int32_t HashLiteral(const Type& type, const Literal& value);
// For loops over columns: the hash of an int, long, date or timestamp.
int32_t HashLong(int64_t value);

// Floor divisions from micros since the epoch (days before 1970 round down).
int32_t DaysFromMicros(int64_t micros);
int32_t HoursFromMicros(int64_t micros);
int32_t MonthsFromDays(int32_t days);
int32_t YearsFromDays(int32_t days);

}  // namespace calve::iceberg
