#include "calve/offload/slice_fingerprint.h"

#include <arrow/array.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace calve::offload {
namespace {

using source::TypeKind;

constexpr uint64_t kSequenceFactor = 0x9E3779B97F4A7C15;  // odd: no two sequences have the same product

using Words = std::vector<uint64_t>;

template <typename T>
Words WholeNumbers(const arrow::Array& array) {
  const auto* values = static_cast<const arrow::NumericArray<T>&>(array).raw_values();
  Words words(static_cast<size_t>(array.length()));
  std::transform(values, values + array.length(), words.begin(),
                 [](auto value) { return static_cast<uint64_t>(value); });
  return words;
}

Words Micros(const arrow::TimestampArray& array) {
  int64_t factor = 1, divisor = 1;
  switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
    case arrow::TimeUnit::SECOND:
      factor = 1'000'000;
      break;
    case arrow::TimeUnit::MILLI:
      factor = 1'000;
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      divisor = 1'000;
  }
  Words words(static_cast<size_t>(array.length()));
  const int64_t* values = array.raw_values();
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<uint64_t>(values[i] / divisor) * static_cast<uint64_t>(factor);
  }
  return words;
}

// Of the 128 bits the low ones, as toUInt64 takes them.
Words LowWords(const arrow::Decimal128Array& array) {
  Words words(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i) words[i] = arrow::Decimal128(array.GetValue(i)).low_bits();
  return words;
}

// Each value as 64 bits; anything for NULL. kUnsupported for other types than these.
Result<Words> WordsOf(const std::string& column, const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::INT8:
      return WholeNumbers<arrow::Int8Type>(array);
    case arrow::Type::INT16:
      return WholeNumbers<arrow::Int16Type>(array);
    case arrow::Type::INT32:
      return WholeNumbers<arrow::Int32Type>(array);
    case arrow::Type::INT64:
      return WholeNumbers<arrow::Int64Type>(array);
    case arrow::Type::UINT8:
      return WholeNumbers<arrow::UInt8Type>(array);
    case arrow::Type::UINT16:
      return WholeNumbers<arrow::UInt16Type>(array);
    case arrow::Type::UINT32:
      return WholeNumbers<arrow::UInt32Type>(array);
    case arrow::Type::UINT64:
      return WholeNumbers<arrow::UInt64Type>(array);
    case arrow::Type::TIMESTAMP:
      return Micros(static_cast<const arrow::TimestampArray&>(array));
    case arrow::Type::DECIMAL128:
      if (static_cast<const arrow::Decimal128Type&>(*array.type()).scale() == 0) {
        return LowWords(static_cast<const arrow::Decimal128Array&>(array));
      }
      break;
    case arrow::Type::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      ARROW_ASSIGN_OR_RAISE(const Words values, WordsOf(column, *typed.dictionary()));
      Words words(static_cast<size_t>(array.length()));
      for (int64_t i = 0; i < array.length(); ++i) {
        if (typed.IsValid(i)) words[i] = values[static_cast<size_t>(typed.GetValueIndex(i))];
      }
      return words;
    }
    default:
      break;
  }
  return MakeError(
      ErrorKind::kUnsupported,
      fmt::format("column {} comes as {}, of which no slice's fingerprint is made", column, array.type()->ToString()),
      "Leave the cursor and the sequence column as they are (--expr), or offload without slices.");
}

Result<uint64_t> HashSum(const arrow::RecordBatch& batch, const std::string& name, bool is_time) {
  const auto column = batch.GetColumnByName(name);
  if (!column) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("column {} is not in what is read", name),
                     "A slice's fingerprint is made of the cursor and the sequence column: do not leave them out.");
  }
  const arrow::DataType& type = *column->type();
  const bool holds_time =
      (type.id() == arrow::Type::DICTIONARY ? static_cast<const arrow::DictionaryType&>(type).value_type()->id()
                                            : type.id()) == arrow::Type::TIMESTAMP;
  if (holds_time != is_time) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("column {} comes as {} where {} was expected", name, type.ToString(),
                                 is_time ? "a timestamp" : "a whole number"),
                     "Leave the cursor and the sequence column as they are (--expr), or offload without slices.");
  }
  ARROW_ASSIGN_OR_RAISE(const Words words, WordsOf(name, *column));
  uint64_t sum = 0;
  if (column->null_count() == 0) {
    for (const uint64_t word : words) sum += IntHash64(word);
    return sum;
  }
  for (int64_t i = 0; i < column->length(); ++i) {
    if (column->IsValid(i)) sum += IntHash64(words[static_cast<size_t>(i)]);
  }
  return sum;
}

// NULL adds nothing.
std::string HashExpression(const std::string& name, bool nullable, const std::string& number) {
  const std::string hash = fmt::format("intHash64(toUInt64({}))", number);
  return nullable ? fmt::format("if(isNull({}), toUInt64(0), {})", name, hash) : hash;
}

}  // namespace

uint64_t IntHash64(uint64_t value) {
  value ^= 0x4CF2D2BAAE6DA887;
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53;
  return value ^ (value >> 33);
}

bool IsHashedSequence(const source::ClickHouseType& type) {
  const TypeKind kind = type.Unwrapped().kind;
  return kind >= TypeKind::kInt8 && kind <= TypeKind::kUInt256;
}

std::string FingerprintExpression(const Cursor& cursor, const source::SourceColumn* sequence) {
  const std::string time = CursorName(cursor);
  const std::string set = cursor.nullable ? fmt::format("assumeNotNull({})", time) : time;
  std::string sum = HashExpression(time, cursor.nullable,
                                   cursor.is_date_time64
                                       ? fmt::format("toUnixTimestamp64Micro(CAST({} AS DateTime64(6, 'UTC')))", set)
                                       : fmt::format("toInt64(toUnixTimestamp({})) * 1000000", set));
  if (sequence != nullptr) {
    const std::string name = fmt::format("{}.{}", kTableAlias, source::QuoteIdentifier(sequence->name));
    const bool nullable = sequence->type.IsNullable();
    const std::string number = nullable ? fmt::format("assumeNotNull({})", name) : name;
    sum += fmt::format(" + {} * {}", HashExpression(name, nullable, number), kSequenceFactor);
  }
  return fmt::format("toString(sumWithOverflow({}))", sum);
}

Status RowsFingerprint::Add(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(uint64_t sum, HashSum(batch, cursor_column_, true));
  if (!sequence_column_.empty()) {
    ARROW_ASSIGN_OR_RAISE(const uint64_t sequences, HashSum(batch, sequence_column_, false));
    sum += sequences * kSequenceFactor;
  }
  sum_ += sum;
  rows_ += batch.num_rows();
  return Status::OK();
}

}  // namespace calve::offload
