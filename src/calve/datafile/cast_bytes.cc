#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/utf8.h>

#include <cstring>

#include "calve/datafile/cast.h"

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using iceberg::TypeId;

constexpr int kUuidBytes = 16;
constexpr int kUuidText = 36;

bool IsAscii(const uint8_t* bytes, int64_t length) {
  uint64_t all = 0;
  int64_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, 8);
    all |= word;
  }
  for (; i < length; ++i) all |= static_cast<uint64_t>(bytes[i]);
  return (all & 0x8080808080808080ull) == 0;
}

// Printable, cut to a length that a message can carry.
std::string Quoted(const uint8_t* bytes, int64_t length) {
  std::string text;
  for (int64_t i = 0; i < std::min<int64_t>(length, 40); ++i) {
    if (bytes[i] >= 0x20 && bytes[i] < 0x7f) {
      text += static_cast<char>(bytes[i]);
    } else {
      text += fmt::format("\\x{:02x}", bytes[i]);
    }
  }
  return fmt::format("'{}'{}", text, length > 40 ? "…" : "");
}

// The column's bytes at once where they are ASCII (nearly always); else value by value, for a sequence may not go
// across two.
Status CheckUtf8(const CastSite& site, const ArrayData& array) {
  if (array.length == 0 || !array.buffers[2]) return Status::OK();
  const auto* offsets = array.GetValues<int32_t>(1);
  const uint8_t* bytes = array.buffers[2]->data();
  if (IsAscii(bytes + offsets[0], offsets[array.length] - offsets[0])) return Status::OK();
  arrow::util::InitializeUTF8();
  for (int64_t i = 0; i < array.length; ++i) {
    const uint8_t* value = bytes + offsets[i];
    const int64_t length = offsets[i + 1] - offsets[i];
    if (arrow::util::ValidateUTF8(value, length) || !IsValidAt(array, i)) continue;
    const std::string column = site.path.substr(0, site.path.find('.'));
    return MakeError(ErrorKind::kValue, fmt::format("column {}: {} is not UTF-8", site.path, Quoted(value, length)),
                     fmt::format("Map the column to binary: --type {}=binary.", column));
  }
  return Status::OK();
}

Cast CheckedText(const CastSite& site) {
  return {arrow::utf8(), [site](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            ARROW_RETURN_NOT_OK(CheckUtf8(site, *array));
            return Relabel(arrow::utf8())(array);
          }};
}

Result<std::shared_ptr<arrow::Buffer>> EvenOffsets(int64_t count, int64_t step) {
  if (count * step > INT32_MAX) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("a block with more than 2 GiB in one column ({} values)", count),
                     "Lower max_block_size.");
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer((count + 1) * sizeof(int32_t)));
  auto* offsets = reinterpret_cast<int32_t*>(buffer->mutable_data());
  for (int64_t i = 0; i <= count; ++i) offsets[i] = static_cast<int32_t>(i * step);
  return buffer;
}

Result<ArrayDataPtr> FixedToBinary(const ArrayData& array, int width) {
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(array));
  ARROW_ASSIGN_OR_RAISE(auto offsets, EvenOffsets(array.length, width));
  auto bytes = arrow::SliceBuffer(array.buffers[1], array.offset * width, array.length * width);
  return ArrayData::Make(arrow::binary(), array.length, {std::move(validity), std::move(offsets), std::move(bytes)},
                         array.GetNullCount());
}

Result<ArrayDataPtr> UuidToText(const ArrayData& array) {
  static constexpr char kHex[] = "0123456789abcdef";
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(array));
  ARROW_ASSIGN_OR_RAISE(auto offsets, EvenOffsets(array.length, kUuidText));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> text, arrow::AllocateBuffer(array.length * kUuidText));
  const uint8_t* in = array.buffers[1]->data() + array.offset * kUuidBytes;
  auto* out = reinterpret_cast<char*>(text->mutable_data());
  for (int64_t i = 0; i < array.length; ++i) {
    for (int j = 0; j < kUuidBytes; ++j, ++in) {
      if (j == 4 || j == 6 || j == 8 || j == 10) *out++ = '-';
      *out++ = kHex[*in >> 4];
      *out++ = kHex[*in & 15];
    }
  }
  return ArrayData::Make(arrow::utf8(), array.length, {std::move(validity), std::move(offsets), std::move(text)},
                         array.GetNullCount());
}

Result<Cast> MakeFixedCast(const CastSite& site, int width) {
  ARROW_ASSIGN_OR_RAISE(auto type, ArrowTypeOf(site));
  const bool may_be_uuid = width == kUuidBytes;
  if ((site.target.id == TypeId::kFixed && site.target.length == width) ||
      (site.target.id == TypeId::kUuid && may_be_uuid)) {
    return Cast{type, Relabel(type)};
  }
  if (site.target.id == TypeId::kBinary) {
    return Cast{type, [width](const ArrayDataPtr& array) { return FixedToBinary(*array, width); }};
  }
  if (site.target.id == TypeId::kString && may_be_uuid) {
    return Cast{type, [](const ArrayDataPtr& array) { return UuidToText(*array); }};
  }
  return Cast{};
}

// A null entry of the dictionary (LowCardinality(Nullable(T))) becomes a null of the rows: Parquet's dictionaries have
// none.
Result<ArrayDataPtr> NullEntriesToRows(const ArrayDataPtr& array) {
  const ArrayData& entries = *array->dictionary;
  if (entries.GetNullCount() == 0) return array;
  const auto* codes = array->GetValues<int32_t>(1);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> validity, arrow::AllocateEmptyBitmap(array->length));
  int64_t nulls = 0;
  for (int64_t i = 0; i < array->length; ++i) {
    const bool valid = IsValidAt(*array, i) && IsValidAt(entries, codes[i]);
    arrow::bit_util::SetBitTo(validity->mutable_data(), i, valid);
    nulls += !valid;
  }
  auto indices = arrow::SliceBuffer(array->buffers[1], array->offset * 4, array->length * 4);
  auto out = ArrayData::Make(array->type, array->length, {std::move(validity), std::move(indices)}, nulls);
  out->dictionary = entries.Copy();
  out->dictionary->buffers[0] = nullptr;
  out->dictionary->null_count = 0;
  return out;
}

// Text stays a dictionary; only its entries are checked.
Cast KeepDictionary(const CastSite& site) {
  auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  return {type, [site, type](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            ARROW_RETURN_NOT_OK(CheckUtf8(site, *array->dictionary));
            ARROW_ASSIGN_OR_RAISE(ArrayDataPtr rows, NullEntriesToRows(array));
            ArrayDataPtr out = rows->Copy();
            out->type = type;
            out->dictionary = rows->dictionary->Copy();
            out->dictionary->type = arrow::utf8();
            return out;
          }};
}

}  // namespace

Result<Cast> MakeBytesCast(const CastSite& site, const arrow::DataType& source) {
  if (source.id() == arrow::Type::FIXED_SIZE_BINARY) {
    return MakeFixedCast(site, static_cast<const arrow::FixedSizeBinaryType&>(source).byte_width());
  }
  if (site.target.id == TypeId::kBinary) return Cast{arrow::binary(), Relabel(arrow::binary())};
  if (site.target.id != TypeId::kString) return Cast{};
  if (source.id() == arrow::Type::STRING) return Cast{arrow::utf8(), Relabel(arrow::utf8())};
  return CheckedText(site);
}

Result<Cast> MakeDictionaryCast(const CastSite& site, const arrow::DictionaryType& source) {
  if (source.index_type()->id() != arrow::Type::INT32) return Cast{};
  const arrow::Type::type values = source.value_type()->id();
  const bool is_text = values == arrow::Type::STRING || values == arrow::Type::BINARY;
  if (is_text && site.target.id == TypeId::kString && site.top_level) return KeepDictionary(site);
  ARROW_ASSIGN_OR_RAISE(Cast entries, MakeCast(site, /*required=*/false, *arrow::field("", source.value_type())));
  return Cast{entries.type, [entries](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                ARROW_ASSIGN_OR_RAISE(ArrayDataPtr converted, entries.apply(array->dictionary));
                ArrayDataPtr indices = array->Copy();
                indices->type = arrow::int32();
                indices->dictionary = nullptr;
                ARROW_ASSIGN_OR_RAISE(auto decoded,
                                      arrow::compute::Take(*arrow::MakeArray(converted), *arrow::MakeArray(indices)));
                return decoded->data();
              }};
}

}  // namespace calve::datafile
