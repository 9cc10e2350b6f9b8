// Nullable, Array, Map, Tuple and Nested. A Map is an Array of Tuples of key and value, a Nested one of its elements.
#include <fmt/format.h>

#include <limits>

#include "calve/source/native_bits.h"
#include "calve/source/native_column.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;

// UInt8 null map, then the values with anything where NULL stands. Sparse: no null map, the rows that are listed are
// the ones that are not NULL.
class NullableReader final : public ColumnReader {
 public:
  NullableReader(std::string path, std::unique_ptr<ColumnReader> values)
      : ColumnReader(std::move(path), values->type()), values_(std::move(values)) {}

  Status ReadPrefix(ByteReader& in) override { return values_->ReadPrefix(in); }
  int NumberWidthAtEnd() const override { return values_->NumberWidthAtEnd(); }

 protected:
  // Its values must be so too, which a Tuple is not; such a column is refused when its rows are read.
  bool MayBeSparse() const override { return type()->num_fields() == 0; }

  Result<std::shared_ptr<ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) override {
    std::shared_ptr<Buffer> null_map;
    if (request.sparse_rows != nullptr) {
      ARROW_ASSIGN_OR_RAISE(null_map, arrow::AllocateBuffer(request.rows));
      std::fill_n(null_map->mutable_data(), request.rows, uint8_t{1});
      for (const int64_t row : *request.sparse_rows) null_map->mutable_data()[row] = 0;
    } else {
      ARROW_ASSIGN_OR_RAISE(null_map, in.Take(request.rows, 1));
    }
    ARROW_ASSIGN_OR_RAISE(PackedBits validity, PackBits(null_map->data(), request.rows, /*inverted=*/true));
    ColumnRequest values = request;
    values.null_map = null_map->data();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> data, values_->Read(in, values));
    const int64_t nulls = request.rows - validity.set;
    data->SetNullCount(nulls);
    if (nulls > 0) data->buffers[0] = std::move(validity.bits);
    return data;
  }

 private:
  std::unique_ptr<ColumnReader> values_;
};

class TupleReader final : public ColumnReader {
 public:
  TupleReader(std::string path, std::shared_ptr<arrow::DataType> type,
              std::vector<std::unique_ptr<ColumnReader>> elements)
      : ColumnReader(std::move(path), std::move(type)), elements_(std::move(elements)) {}

  void ResetKinds() override {
    ColumnReader::ResetKinds();
    for (const auto& element : elements_) element->ResetKinds();
  }
  Status ReadKinds(ByteReader& in) override {
    ARROW_RETURN_NOT_OK(ColumnReader::ReadKinds(in));
    for (const auto& element : elements_) ARROW_RETURN_NOT_OK(element->ReadKinds(in));
    return Status::OK();
  }
  Status ReadPrefix(ByteReader& in) override {
    for (const auto& element : elements_) ARROW_RETURN_NOT_OK(element->ReadPrefix(in));
    return Status::OK();
  }
  int NumberWidthAtEnd() const override { return elements_.back()->NumberWidthAtEnd(); }

 protected:
  Result<std::shared_ptr<ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) override {
    std::vector<std::shared_ptr<ArrayData>> children;
    for (const auto& element : elements_) {
      ColumnRequest child = request;
      child.last_part = request.last_part && element == elements_.back();
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> data, element->Read(in, child));
      children.push_back(std::move(data));
    }
    return ArrayData::Make(type(), request.rows, {nullptr}, std::move(children), 0);
  }

 private:
  std::vector<std::unique_ptr<ColumnReader>> elements_;
};

// Offsets as UInt64, each the end of its row's elements, then the elements of all rows.
class ArrayReader final : public ColumnReader {
 public:
  ArrayReader(std::string path, std::shared_ptr<arrow::DataType> type, std::unique_ptr<ColumnReader> elements,
              const NativeLimits& limits)
      : ColumnReader(std::move(path), std::move(type)), elements_(std::move(elements)), limits_(limits) {}

  Status ReadPrefix(ByteReader& in) override { return elements_->ReadPrefix(in); }
  int NumberWidthAtEnd() const override { return elements_->NumberWidthAtEnd(); }

 protected:
  Result<std::shared_ptr<ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) override {
    constexpr int64_t kWire = sizeof(uint64_t);
    if (request.rows > limits_.bytes_max / kWire) return ColumnTooLarge(path(), limits_.bytes_max);
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> raw, in.Take(request.rows * kWire, kWire));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> offsets,
                          arrow::AllocateBuffer((request.rows + 1) * static_cast<int64_t>(sizeof(int32_t))));
    const auto* from = reinterpret_cast<const uint64_t*>(raw->data());
    auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
    to[0] = 0;
    bool rising = true;
    uint64_t before = 0;
    for (int64_t i = 0; i < request.rows; ++i) {
      rising &= from[i] >= before;
      before = from[i];
      to[i + 1] = static_cast<int32_t>(before);
    }
    if (!rising) return CorruptColumn(path(), "array offsets that fall");
    if (before > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
      return CorruptColumn(path(), fmt::format("{} array elements in one block", before));
    }
    ColumnRequest elements;
    elements.rows = static_cast<int64_t>(before);
    elements.last_part = request.last_part;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> child, elements_->Read(in, elements));
    return ArrayData::Make(type(), request.rows, {nullptr, std::move(offsets)}, {std::move(child)}, 0);
  }

 private:
  std::unique_ptr<ColumnReader> elements_;
  NativeLimits limits_;
};

using ReaderResult = Result<std::unique_ptr<ColumnReader>>;

// The readers of a Tuple's, a Nested's or a Map's parts, as one struct.
ReaderResult MakeStructReader(const std::string& path, std::shared_ptr<arrow::DataType> type,
                              const ClickHouseType& parts, const NativeLimits& limits) {
  std::vector<std::unique_ptr<ColumnReader>> elements;
  for (size_t i = 0; i < parts.children.size(); ++i) {
    const std::string part = path + "." + type->field(static_cast<int>(i))->name();
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ColumnReader> element, MakeColumnReader(part, parts.children[i], limits));
    elements.push_back(std::move(element));
  }
  return std::make_unique<TupleReader>(path, std::move(type), std::move(elements));
}

}  // namespace

ReaderResult MakeNestedReader(const std::string& path, const ClickHouseType& type, const NativeLimits& limits) {
  using K = TypeKind;
  if (type.kind != K::kNullable && type.kind != K::kArray && type.kind != K::kMap && type.kind != K::kTuple &&
      type.kind != K::kNested) {
    return nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  if (type.kind == K::kTuple) return MakeStructReader(path, std::move(arrow_type), type, limits);
  if (type.kind == K::kNullable) {
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ColumnReader> values, MakeColumnReader(path, type.children.front(), limits));
    return std::make_unique<NullableReader>(path, std::move(values));
  }
  std::unique_ptr<ColumnReader> elements;
  if (type.kind == K::kArray) {
    ARROW_ASSIGN_OR_RAISE(elements, MakeColumnReader(path + ".item", type.children.front(), limits));
  } else {
    ARROW_ASSIGN_OR_RAISE(elements, MakeStructReader(path, arrow_type->field(0)->type(), type, limits));
  }
  return std::make_unique<ArrayReader>(path, std::move(arrow_type), std::move(elements), limits);
}

}  // namespace calve::source
