// One column to the Arrow type that the Parquet writer wants: planned once by type, applied to every block.
#pragma once

#include <arrow/array/data.h>
#include <arrow/type.h>

#include <functional>
#include <memory>
#include <string>

#include "calve/iceberg/type.h"

namespace calve::datafile {

using ArrayDataPtr = std::shared_ptr<arrow::ArrayData>;
// Thread-safe to call. kValue names column, value and the way out.
using CastFunction = std::function<Result<ArrayDataPtr>(const ArrayDataPtr&)>;

struct Cast {
  std::shared_ptr<arrow::DataType> type;  // of what comes out
  CastFunction apply;
};

// Where a cast happens, for messages.
struct CastSite {
  std::string path;      // dotted
  iceberg::Type target;  // primitive for the casts below
  bool top_level = true;
};

// kUnsupported, naming column and both types, where values could be lost by type. Any type.
Result<Cast> MakeCast(const CastSite& site, bool required, const arrow::Field& source);

// The primitive ones, by source; a cast without a function: there is none.
Result<Cast> MakeIntegerCast(const CastSite& site, const arrow::DataType& source);
Result<Cast> MakeDecimalCast(const CastSite& site, const arrow::DataType& source);
Result<Cast> MakeFloatCast(const CastSite& site, const arrow::DataType& source);
Result<Cast> MakeTimestampCast(const CastSite& site, const arrow::DataType& source);
Result<Cast> MakeBytesCast(const CastSite& site, const arrow::DataType& source);
Result<Cast> MakeDictionaryCast(const CastSite& site, const arrow::DictionaryType& source);

// The Arrow type of a primitive Iceberg type.
Result<std::shared_ptr<arrow::DataType>> ArrowTypeOf(const CastSite& site);
// The same buffers under another type.
CastFunction Relabel(std::shared_ptr<arrow::DataType> type);
// The validity of `array` as a bitmap without offset; null where nothing is null.
Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::ArrayData& array);
// A new array of `array`'s length and validity over `values`.
Result<ArrayDataPtr> WithValues(const arrow::ArrayData& array, std::shared_ptr<arrow::DataType> type,
                                std::shared_ptr<arrow::Buffer> values);
bool IsValidAt(const arrow::ArrayData& array, int64_t i);

Status CannotCast(const CastSite& site, const arrow::DataType& source, std::string remedy = "");
Status ValueDoesNotFit(const CastSite& site, const std::string& value, std::string remedy);
// As users of ClickHouse know it: "UInt64", "DateTime64(3)", "LowCardinality(String)".
std::string SourceTypeName(const arrow::DataType& type);

}  // namespace calve::datafile
