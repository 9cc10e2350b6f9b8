#include "calve/source/native_fixed_width.h"

#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "calve/source/native_bits.h"
#include "calve/source/native_sparse.h"

namespace calve::source {

using arrow::ArrayData;
using arrow::Buffer;

std::shared_ptr<ArrayData> FixedArray(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                      std::shared_ptr<Buffer> values) {
  return ArrayData::Make(type, rows, {nullptr, std::move(values)}, 0);
}

FixedWidthReader::FixedWidthReader(std::string path, std::shared_ptr<arrow::DataType> type, int width,
                                   const NativeLimits& limits)
    : ColumnReader(std::move(path), std::move(type)), width_(width), bytes_max_(limits.bytes_max) {}

Result<std::shared_ptr<ArrayData>> FixedWidthReader::ReadValues(ByteReader& in, const ColumnRequest& request) {
  if (request.rows > bytes_max_ / width_) return ColumnTooLarge(path(), bytes_max_);
  // Arrow's own layouts ask for their natural alignment, eight bytes at most.
  const int alignment = width_ % 8 == 0 ? 8 : width_ % 4 == 0 ? 4 : width_ % 2 == 0 ? 2 : 1;
  const int64_t values =
      request.sparse_rows == nullptr ? request.rows : static_cast<int64_t>(request.sparse_rows->size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> raw, in.Take(values * width_, alignment));
  if (request.sparse_rows != nullptr) {
    ARROW_ASSIGN_OR_RAISE(raw, SpreadFixed(*raw, *request.sparse_rows, request.rows, width_));
  }
  return Convert(std::move(raw), request.rows, request.null_map);
}

namespace {

// The layout on the wire is Arrow's.
class PlainReader final : public FixedWidthReader {
 public:
  PlainReader(std::string path, std::shared_ptr<arrow::DataType> type, int width, const NativeLimits& limits,
              bool number)
      : FixedWidthReader(std::move(path), std::move(type), width, limits), number_(number) {}
  int NumberWidthAtEnd() const override { return number_ ? FixedWidthReader::NumberWidthAtEnd() : 0; }

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows, const uint8_t*) override {
    return FixedArray(type(), rows, std::move(raw));
  }

 private:
  bool number_;
};

class BoolReader final : public FixedWidthReader {
 public:
  BoolReader(std::string path, const NativeLimits& limits)
      : FixedWidthReader(std::move(path), arrow::boolean(), 1, limits) {}

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows, const uint8_t*) override {
    ARROW_ASSIGN_OR_RAISE(PackedBits packed, PackBits(raw->data(), rows, /*inverted=*/false));
    return FixedArray(type(), rows, std::move(packed.bits));
  }
};

// Decimals of up to 38 digits. ClickHouse's arithmetic may leave more digits than the type has, which Iceberg must not
// get.
template <typename T, typename Unsigned>
class DecimalReader final : public FixedWidthReader {
 public:
  DecimalReader(std::string path, std::shared_ptr<arrow::DataType> type, int precision, const NativeLimits& limits)
      : FixedWidthReader(std::move(path), std::move(type), sizeof(T), limits) {
    for (int i = 0; i < precision; ++i) limit_ *= 10;
  }

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows,
                                             const uint8_t* null_map) override {
    const auto* values = reinterpret_cast<const T*>(raw->data());
    bool fit = true;
    for (int64_t i = 0; i < rows; ++i) fit &= Fits(values[i]);
    if (!fit) ARROW_RETURN_NOT_OK(CheckNulls(values, rows, null_map));
    return FixedArray(type(), rows, std::move(raw));
  }

 private:
  // -limit < value < limit
  bool Fits(T value) const {
    return static_cast<Unsigned>(value) + static_cast<Unsigned>(limit_ - 1) <= 2 * static_cast<Unsigned>(limit_ - 1);
  }

  Status CheckNulls(const T* values, int64_t rows, const uint8_t* null_map) const {
    for (int64_t i = 0; i < rows; ++i) {
      if (Fits(values[i]) || (null_map != nullptr && null_map[i] != 0)) continue;
      return MakeError(
          ErrorKind::kValue,
          fmt::format("column {}: {} has more digits than {}", path(), DecimalText(values[i]), type()->ToString()),
          "Give the column a wider type by an expression (toDecimal128(…, …)).");
    }
    return Status::OK();
  }

  std::string DecimalText(T value) const {
    const int scale = static_cast<const arrow::DecimalType&>(*type()).scale();
    const auto high = static_cast<int64_t>(sizeof(T) == 16 ? value >> (sizeof(T) * 4) : value < 0 ? -1 : 0);
    return arrow::Decimal128(high, static_cast<uint64_t>(value)).ToString(scale);
  }

  T limit_ = 1;
};

// Each value becomes another one by a function that cannot fail.
template <typename From, typename To, To (*kConvert)(From)>
class MappedReader final : public FixedWidthReader {
 public:
  MappedReader(std::string path, std::shared_ptr<arrow::DataType> type, const NativeLimits& limits)
      : FixedWidthReader(std::move(path), std::move(type), sizeof(From), limits) {}

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows, const uint8_t*) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> out, arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(To))));
    const auto* from = reinterpret_cast<const From*>(raw->data());
    auto* to = reinterpret_cast<To*>(out->mutable_data());
    for (int64_t i = 0; i < rows; ++i) to[i] = kConvert(from[i]);
    return FixedArray(type(), rows, std::move(out));
  }
};

int32_t DaysOf(uint16_t days) { return days; }
int64_t SecondsOf(uint32_t seconds) { return seconds; }
uint32_t FloatBitsOf(uint16_t high) {
  return static_cast<uint32_t>(high) << 16;
}  // BFloat16 is the upper half of a float

// 128 bits on the wire: the first eight text digits' half first, each half little-endian.
struct UuidHalves {
  uint64_t high, low;
};
UuidHalves BigEndianOf(UuidHalves halves) { return {__builtin_bswap64(halves.high), __builtin_bswap64(halves.low)}; }

// DateTime64 of a precision between Arrow's units.
class ScaledTimestampReader final : public FixedWidthReader {
 public:
  ScaledTimestampReader(std::string path, std::shared_ptr<arrow::DataType> type, int64_t factor,
                        const NativeLimits& limits)
      : FixedWidthReader(std::move(path), std::move(type), sizeof(int64_t), limits), factor_(factor) {}

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows,
                                             const uint8_t* null_map) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> out,
                          arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(int64_t))));
    const auto* from = reinterpret_cast<const int64_t*>(raw->data());
    auto* to = reinterpret_cast<int64_t*>(out->mutable_data());
    int64_t least = 0, most = 0;
    for (int64_t i = 0; i < rows; ++i) {
      least = std::min(least, from[i]);
      most = std::max(most, from[i]);
      // Wraps where it does not fit, which the check below finds.
      to[i] = static_cast<int64_t>(static_cast<uint64_t>(from[i]) * static_cast<uint64_t>(factor_));
    }
    const int64_t limit = std::numeric_limits<int64_t>::max() / factor_;
    if (least < -limit || most > limit) ARROW_RETURN_NOT_OK(CheckRange(from, to, rows, limit, null_map));
    return FixedArray(type(), rows, std::move(out));
  }

 private:
  Status CheckRange(const int64_t* from, int64_t* to, int64_t rows, int64_t limit, const uint8_t* null_map) const {
    for (int64_t i = 0; i < rows; ++i) {
      if (from[i] >= -limit && from[i] <= limit) continue;
      if (null_map == nullptr || null_map[i] == 0) {
        return MakeError(ErrorKind::kValue,
                         fmt::format("column {}: timestamp {} does not fit {}", path(), from[i], type()->ToString()));
      }
      to[i] = 0;
    }
    return Status::OK();
  }

  int64_t factor_;
};

using ReaderResult = Result<std::unique_ptr<ColumnReader>>;

ReaderResult MakeTimestampReader(const std::string& path, const ClickHouseType& type, const NativeLimits& limits) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  // Arrow's units are the precisions 0, 3, 6 and 9.
  int64_t factor = 1;
  for (int precision = type.precision; precision % 3 != 0; ++precision) factor *= 10;
  if (factor == 1) return std::make_unique<PlainReader>(path, arrow_type, sizeof(int64_t), limits, true);
  return std::make_unique<ScaledTimestampReader>(path, arrow_type, factor, limits);
}

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

ReaderResult MakeDecimalReader(const std::string& path, const ClickHouseType& type, const NativeLimits& limits) {
  const int digits = type.precision;
  if (digits > 38) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  if (digits <= 9) return std::make_unique<DecimalReader<int32_t, uint32_t>>(path, arrow_type, digits, limits);
  if (digits <= 18) return std::make_unique<DecimalReader<int64_t, uint64_t>>(path, arrow_type, digits, limits);
  return std::make_unique<DecimalReader<Int128, UInt128>>(path, arrow_type, digits, limits);
}

}  // namespace

ReaderResult MakeFixedWidthReader(const std::string& path, const ClickHouseType& type, const NativeLimits& limits) {
  using K = TypeKind;
  int plain = 0;
  switch (type.kind) {
    case K::kBool:
      return std::make_unique<BoolReader>(path, limits);
    case K::kInt8:
    case K::kUInt8:
      plain = 1;
      break;
    case K::kInt16:
    case K::kUInt16:
      plain = 2;
      break;
    case K::kInt32:
    case K::kUInt32:
    case K::kFloat32:
    case K::kDate32:
      plain = 4;
      break;
    case K::kInt64:
    case K::kUInt64:
    case K::kFloat64:
      plain = 8;
      break;
    case K::kDecimal:
      return MakeDecimalReader(path, type, limits);
    case K::kFixedString:
      plain = type.length;
      break;
    case K::kBFloat16:
      return std::make_unique<MappedReader<uint16_t, uint32_t, FloatBitsOf>>(path, arrow::float32(), limits);
    case K::kDate:
      return std::make_unique<MappedReader<uint16_t, int32_t, DaysOf>>(path, arrow::date32(), limits);
    case K::kDateTime:
      return std::make_unique<MappedReader<uint32_t, int64_t, SecondsOf>>(
          path, arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"), limits);
    case K::kDateTime64:
      return MakeTimestampReader(path, type, limits);
    case K::kUuid:
      return std::make_unique<MappedReader<UuidHalves, UuidHalves, BigEndianOf>>(path, arrow::fixed_size_binary(16),
                                                                                 limits);
    default:
      return nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  return std::make_unique<PlainReader>(path, arrow_type, plain, limits, type.kind != K::kFixedString);
}

}  // namespace calve::source
