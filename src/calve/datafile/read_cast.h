// One column of a file into the Arrow type of its Iceberg type: promotions, and the ways in which other writers store
// the same values. Spec: "Schema Evolution", appendix A "Parquet".
#pragma once

#include "calve/datafile/cast.h"

namespace calve::datafile {

// For a primitive column. `type` is ToArrowSchema's for `site.target`. A dictionary of text at the top level stays one
// where `keep_dictionary`; others are decoded. kUnsupported, naming column and both types, where no promotion leads
// from one to the other.
Result<Cast> MakeReadCast(const CastSite& site, const std::shared_ptr<arrow::DataType>& type,
                          const std::shared_ptr<arrow::DataType>& source, bool keep_dictionary);

// kCorrupt where an index points outside of its dictionary: Parquet's reader does not look.
Status CheckDictionary(const CastSite& site, const arrow::ArrayData& array);

}  // namespace calve::datafile
