// Enum8 and Enum16 as a dictionary of their names, in declared order.
#include <arrow/array/builder_binary.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "calve/source/native_fixed_width.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;

Result<std::shared_ptr<arrow::Array>> NamesOf(const std::string& path, const ClickHouseType& type) {
  arrow::util::InitializeUTF8();
  arrow::StringBuilder names;
  for (const auto& [name, value] : type.enum_values) {
    if (!arrow::util::ValidateUTF8(name)) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("column {}: the name of enum value {} is not UTF-8", path, value),
                       "Give the column the expression toInt16(…).");
    }
    ARROW_RETURN_NOT_OK(names.Append(name));
  }
  return names.Finish();
}

template <typename T>
class EnumReader final : public FixedWidthReader {
 public:
  EnumReader(std::string path, const ClickHouseType& type, std::shared_ptr<arrow::Array> names,
             const NativeLimits& limits)
      : FixedWidthReader(std::move(path), arrow::dictionary(arrow::int32(), arrow::utf8()), sizeof(T), limits),
        names_(std::move(names)) {
    const auto [least, most] = std::minmax_element(type.enum_values.begin(), type.enum_values.end(),
                                                   [](const auto& a, const auto& b) { return a.second < b.second; });
    base_ = least->second;
    indices_.assign(most->second - least->second + 1, -1);
    for (size_t i = 0; i < type.enum_values.size(); ++i)
      indices_[type.enum_values[i].second - base_] = static_cast<int32_t>(i);
  }

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows,
                                             const uint8_t* null_map) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> out,
                          arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(int32_t))));
    const auto* from = reinterpret_cast<const T*>(raw->data());
    auto* to = reinterpret_cast<int32_t*>(out->mutable_data());
    const auto count = static_cast<uint32_t>(indices_.size());
    int32_t seen = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const auto at = static_cast<uint32_t>(from[i] - base_);
      const int32_t index = at < count ? indices_[at] : -1;
      seen |= index;
      to[i] = index;
    }
    if (seen < 0) ARROW_RETURN_NOT_OK(CheckKnown(from, to, rows, null_map));
    std::shared_ptr<ArrayData> data = FixedArray(type(), rows, std::move(out));
    data->dictionary = names_->data();
    return data;
  }

 private:
  Status CheckKnown(const T* from, int32_t* to, int64_t rows, const uint8_t* null_map) const {
    for (int64_t i = 0; i < rows; ++i) {
      if (to[i] >= 0) continue;
      if (null_map == nullptr || null_map[i] == 0)
        return CorruptColumn(path(), fmt::format("{} is no value of the enum", from[i]));
      to[i] = 0;
    }
    return Status::OK();
  }

  std::shared_ptr<arrow::Array> names_;
  int32_t base_ = 0;
  std::vector<int32_t> indices_;  // by value - base_; -1 where there is no such value
};

}  // namespace

Result<std::unique_ptr<ColumnReader>> MakeEnumReader(const std::string& path, const ClickHouseType& type,
                                                     const NativeLimits& limits) {
  if (type.kind != TypeKind::kEnum8 && type.kind != TypeKind::kEnum16) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> names, NamesOf(path, type));
  if (type.kind == TypeKind::kEnum8) return std::make_unique<EnumReader<int8_t>>(path, type, std::move(names), limits);
  return std::make_unique<EnumReader<int16_t>>(path, type, std::move(names), limits);
}

}  // namespace calve::source
