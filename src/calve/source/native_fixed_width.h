// Columns whose values take the same number of bytes each: one buffer off the wire, then a conversion where Arrow's
// layout differs.
#pragma once

#include <memory>
#include <string>

#include "calve/source/native_column.h"

namespace calve::source {

class FixedWidthReader : public ColumnReader {
 public:
  FixedWidthReader(std::string path, std::shared_ptr<arrow::DataType> type, int width, const NativeLimits& limits);

  int NumberWidthAtEnd() const override { return width_; }

 protected:
  bool MayBeSparse() const override { return true; }
  Result<std::shared_ptr<arrow::ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) final;
  // `raw` holds rows × width bytes as they came. The values of rows that are NULL by the null map mean nothing: they
  // must not fail the conversion.
  virtual Result<std::shared_ptr<arrow::ArrayData>> Convert(std::shared_ptr<arrow::Buffer> raw, int64_t rows,
                                                            const uint8_t* null_map) = 0;

 private:
  int width_;
  int64_t bytes_max_;
};

// An array without nulls of one data buffer.
std::shared_ptr<arrow::ArrayData> FixedArray(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                             std::shared_ptr<arrow::Buffer> values);

}  // namespace calve::source
