// Int128, UInt128, Int256, UInt256 and Decimal256 as decimal128 of 38 digits, every value checked.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "calve/source/native_fixed_width.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;
__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

constexpr Int128 PowerOf10(int exponent) {
  Int128 value = 1;
  while (exponent-- > 0) value *= 10;
  return value;
}
constexpr Int128 kLimit = PowerOf10(38);  // exclusive, both ways

// Little-endian two's complement or unsigned in 64-bit words, as decimal text.
std::string DecimalText(const uint8_t* raw, int width, bool is_signed) {
  const int count = width / 4;
  uint32_t words[8];
  std::memcpy(words, raw, width);
  const bool negative = is_signed && (words[count - 1] >> 31) != 0;
  if (negative) {
    uint64_t carry = 1;
    for (int i = 0; i < count; ++i) {
      carry += static_cast<uint32_t>(~words[i]);
      words[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::string digits;
  while (std::any_of(words, words + count, [](uint32_t word) { return word != 0; })) {
    uint64_t rest = 0;
    for (int i = count - 1; i >= 0; --i) {
      rest = (rest << 32) | words[i];
      words[i] = static_cast<uint32_t>(rest / 10);
      rest %= 10;
    }
    digits.push_back(static_cast<char>('0' + rest));
  }
  if (digits.empty()) digits = "0";
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

class WideIntegerReader final : public FixedWidthReader {
 public:
  WideIntegerReader(std::string path, std::shared_ptr<arrow::DataType> type, int width, bool is_signed,
                    const NativeLimits& limits)
      : FixedWidthReader(std::move(path), std::move(type), width, limits), width_(width), signed_(is_signed) {}

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows,
                                             const uint8_t* null_map) override {
    constexpr int kOut = 16;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> out, arrow::AllocateBuffer(rows * kOut));
    const uint8_t* from = raw->data();
    uint8_t* to = out->mutable_data();
    for (int64_t i = 0; i < rows; ++i, from += width_, to += kOut) {
      if (Fits(from)) {
        std::memcpy(to, from, kOut);
      } else if (null_map != nullptr && null_map[i] != 0) {
        std::memset(to, 0, kOut);
      } else {
        return MakeError(
            ErrorKind::kValue,
            fmt::format("column {}: {} has more than 38 digits", path(), DecimalText(from, width_, signed_)),
            "Give the column an expression (toString, or a narrower type), or leave it out.");
      }
    }
    return FixedArray(type(), rows, std::move(out));
  }

 private:
  bool Fits(const uint8_t* raw) const {
    Int128 low;
    std::memcpy(&low, raw, sizeof(low));
    if (width_ == 32) {
      Int128 high;
      std::memcpy(&high, raw + 16, sizeof(high));
      if (high != (signed_ && low < 0 ? Int128{-1} : Int128{0})) return false;
    }
    if (!signed_ && low < 0) return false;
    return low > -kLimit && low < kLimit;
  }

  int width_;
  bool signed_;
};

}  // namespace

Result<std::unique_ptr<ColumnReader>> MakeWideIntegerReader(const std::string& path, const ClickHouseType& type,
                                                            const NativeLimits& limits) {
  using K = TypeKind;
  int width = 0;
  bool is_signed = true;
  if (type.kind == K::kInt128 || type.kind == K::kUInt128) {
    width = 16;
    is_signed = type.kind == K::kInt128;
  } else if (type.kind == K::kInt256 || type.kind == K::kUInt256 || (type.kind == K::kDecimal && type.precision > 38)) {
    width = 32;
    is_signed = type.kind != K::kUInt256;
  } else {
    return nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  return std::make_unique<WideIntegerReader>(path, std::move(arrow_type), width, is_signed, limits);
}

}  // namespace calve::source
