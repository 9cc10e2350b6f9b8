#include "calve/fingerprint/column_hash.h"

#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace calve::fingerprint {
namespace {

constexpr uint64_t kNullSalt = 0x6e756c6c6e756c6c;  // what makes the null of a column
constexpr uint64_t kListSalt = 0x6c6973746c697374;
constexpr uint64_t kStructSalt = 0x7374727563747374;

// A value as 64 bits: integers widened, floats as the doubles that they are exactly.
template <typename T>
inline uint64_t BitsOf(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    double wide = value;
    return wide != wide ? 0x7ff8000000000000 : std::bit_cast<uint64_t>(wide);
  } else {
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  }
}

template <typename T>
void HashFixed(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t seed, uint64_t* low,
               uint64_t* high) {
  const T* values = array.GetValues<T>(1) + offset;
  for (int64_t i = 0; i < length; ++i) {
    Lanes lanes = MixLanes(BitsOf(values[i]) ^ seed);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
}

void HashBool(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t seed, uint64_t* low,
              uint64_t* high) {
  const uint8_t* bits = array.GetValues<uint8_t>(1, 0);
  for (int64_t i = 0; i < length; ++i) {
    Lanes lanes = MixLanes(uint64_t{arrow::bit_util::GetBit(bits, array.offset + offset + i)} ^ seed);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
}

// Decimals that fit in 64 bits are hashed as decimal32 and decimal64 are.
void HashDecimal128(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t seed, uint64_t* low,
                    uint64_t* high) {
  const uint8_t* values = array.GetValues<uint8_t>(1, 0) + (array.offset + offset) * 16;
  for (int64_t i = 0; i < length; ++i) {
    uint64_t words[2];
    std::memcpy(words, values + i * 16, 16);
    bool narrow = words[1] == static_cast<uint64_t>(static_cast<int64_t>(words[0]) >> 63);
    Lanes lanes = narrow ? MixLanes(words[0] ^ seed) : MixLanes(words[0] ^ seed, words[1]);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
}

inline Lanes HashBytes(const uint8_t* bytes, size_t size, uint64_t seed) {
  XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size, seed);
  return Lanes{hash.low64, hash.high64};
}

template <typename Offset>
void HashVariable(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t seed, uint64_t* low,
                  uint64_t* high) {
  const Offset* ends = array.GetValues<Offset>(1) + offset;
  const uint8_t* bytes = array.GetValues<uint8_t>(2, 0);
  const uint8_t nothing = 0;
  if (bytes == nullptr) bytes = &nothing;
  for (int64_t i = 0; i < length; ++i) {
    Lanes lanes = HashBytes(bytes + ends[i], static_cast<size_t>(ends[i + 1] - ends[i]), seed);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
}

void HashFixedBytes(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t seed, uint64_t* low,
                    uint64_t* high) {
  const auto width = static_cast<int64_t>(static_cast<const arrow::FixedSizeBinaryType&>(*array.type).byte_width());
  const uint8_t* bytes = array.GetValues<uint8_t>(1, 0) + (array.offset + offset) * width;
  for (int64_t i = 0; i < length; ++i) {
    Lanes lanes = HashBytes(bytes + i * width, static_cast<size_t>(width), seed);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
}

template <typename Index>
Status Gather(const arrow::ArrayData& array, int64_t offset, int64_t length, const std::vector<uint64_t>& from_low,
              const std::vector<uint64_t>& from_high, uint64_t* low, uint64_t* high) {
  const Index* indexes = array.GetValues<Index>(1) + offset;
  const uint8_t* validity = array.GetValues<uint8_t>(0, 0);
  for (int64_t i = 0; i < length; ++i) {
    auto at = static_cast<size_t>(indexes[i]);
    if (at >= from_low.size()) {
      bool null = validity != nullptr && !arrow::bit_util::GetBit(validity, array.offset + offset + i);
      if (!null) return MakeError(ErrorKind::kCorrupt, "a dictionary index beyond its dictionary");
      continue;  // whatever stands under a null
    }
    low[i] = from_low[at];
    high[i] = from_high[at];
  }
  return Status::OK();
}

}  // namespace

ColumnHasher::ColumnHasher(uint64_t seed) : seed_(Mix(seed + kMix2)), null_(MixLanes(seed_, kNullSalt)) {}

ColumnHasher& ColumnHasher::Child(size_t index) {
  while (children_.size() <= index) children_.emplace_back(seed_ + kMix3 * (children_.size() + 1));
  return children_[index];
}

Status ColumnHasher::Hash(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low,
                          uint64_t* high) {
  if (length == 0) return Status::OK();
  ARROW_RETURN_NOT_OK(HashValues(array, offset, length, low, high));
  const uint8_t* validity = array.type->id() == arrow::Type::NA ? nullptr : array.GetValues<uint8_t>(0, 0);
  if (validity == nullptr) return Status::OK();
  for (int64_t i = 0; i < length; ++i) {
    if (arrow::bit_util::GetBit(validity, array.offset + offset + i)) continue;
    low[i] = null_.low;
    high[i] = null_.high;
  }
  return Status::OK();
}

Status ColumnHasher::HashValues(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low,
                                uint64_t* high) {
  switch (array.type->id()) {
    case arrow::Type::BOOL:
      HashBool(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::DECIMAL32:
      HashFixed<int32_t>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DECIMAL64:
      HashFixed<int64_t>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::FLOAT:
      HashFixed<float>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::DOUBLE:
      HashFixed<double>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::DECIMAL128:
      HashDecimal128(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      HashVariable<int32_t>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      HashVariable<int64_t>(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::FIXED_SIZE_BINARY:
      HashFixedBytes(array, offset, length, seed_, low, high);
      return Status::OK();
    case arrow::Type::DICTIONARY:
      return HashDictionary(array, offset, length, low, high);
    case arrow::Type::STRUCT:
      return HashStruct(array, offset, length, low, high);
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return HashList(array, offset, length, low, high);
    default:
      return MakeError(ErrorKind::kUnsupported, fmt::format("no fingerprint of type {}", array.type->ToString()));
  }
}

// The dictionary once, then by index. Its values have the column's own seed: a plain column hashes the same.
Status ColumnHasher::HashDictionary(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low,
                                    uint64_t* high) {
  if (dictionary_ != array.dictionary) {
    const arrow::ArrayData& words = *array.dictionary;
    child_low_.resize(static_cast<size_t>(words.length));
    child_high_.resize(static_cast<size_t>(words.length));
    dictionary_.reset();
    // A hasher of its own: nested values would need this one's children.
    ColumnHasher plain(0);
    plain.seed_ = seed_;
    plain.null_ = null_;
    ARROW_RETURN_NOT_OK(plain.Hash(words, 0, words.length, child_low_.data(), child_high_.data()));
    dictionary_ = array.dictionary;
  }
  switch (static_cast<const arrow::DictionaryType&>(*array.type).index_type()->id()) {
    case arrow::Type::INT8:
      return Gather<int8_t>(array, offset, length, child_low_, child_high_, low, high);
    case arrow::Type::UINT8:
      return Gather<uint8_t>(array, offset, length, child_low_, child_high_, low, high);
    case arrow::Type::INT16:
      return Gather<int16_t>(array, offset, length, child_low_, child_high_, low, high);
    case arrow::Type::UINT16:
      return Gather<uint16_t>(array, offset, length, child_low_, child_high_, low, high);
    case arrow::Type::INT32:
    case arrow::Type::UINT32:
      return Gather<uint32_t>(array, offset, length, child_low_, child_high_, low, high);
    default:
      return Gather<uint64_t>(array, offset, length, child_low_, child_high_, low, high);
  }
}

Status ColumnHasher::HashStruct(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low,
                                uint64_t* high) {
  const auto count = static_cast<size_t>(length);
  child_low_.resize(count);
  child_high_.resize(count);
  std::fill_n(low, count, kStructSalt);
  std::fill_n(high, count, seed_);
  for (size_t c = 0; c < array.child_data.size(); ++c) {
    ARROW_RETURN_NOT_OK(
        Child(c).Hash(*array.child_data[c], array.offset + offset, length, child_low_.data(), child_high_.data()));
    for (size_t i = 0; i < count; ++i) {
      low[i] += child_low_[i];
      high[i] += child_high_[i];
    }
  }
  for (size_t i = 0; i < count; ++i) {
    Lanes lanes = MixLanes(low[i], high[i]);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
  return Status::OK();
}

// Elements in their order; the length is part of it.
Status ColumnHasher::HashList(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low,
                              uint64_t* high) {
  const int32_t* ends = array.GetValues<int32_t>(1) + offset;
  const int32_t begin = ends[0];
  const auto count = static_cast<size_t>(ends[length] - begin);
  child_low_.resize(count);
  child_high_.resize(count);
  ARROW_RETURN_NOT_OK(
      Child(0).Hash(*array.child_data[0], begin, static_cast<int64_t>(count), child_low_.data(), child_high_.data()));
  for (int64_t i = 0; i < length; ++i) {
    Lanes lanes{seed_ + static_cast<uint64_t>(ends[i + 1] - ends[i]), kListSalt};
    for (int32_t e = ends[i]; e < ends[i + 1]; ++e) {
      auto at = static_cast<size_t>(e - begin);
      lanes = MixLanes(lanes.low + child_low_[at], lanes.high ^ child_high_[at]);
    }
    lanes = MixLanes(lanes.low, lanes.high);
    low[i] = lanes.low;
    high[i] = lanes.high;
  }
  return Status::OK();
}

}  // namespace calve::fingerprint
