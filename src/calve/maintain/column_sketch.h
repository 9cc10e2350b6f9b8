// A theta sketch of one column of the rows that are read.
#pragma once

#include <arrow/array.h>

#include <memory>

#include "calve/base/error.h"
#include "calve/iceberg/type.h"
#include "calve/maintain/theta_sketch.h"

namespace calve::maintain {

// Whether a column of this type gets one: not nested ones.
bool CanSketch(const iceberg::Type& type);

class ColumnSketch {
 public:
  // Values as Iceberg's single-value serialization has them; nulls are left out. The values of a dictionary are all
  // taken, also those that no row refers to. kUnsupported for types of nested columns.
  Status Add(const std::shared_ptr<arrow::Array>& array);
  ThetaSketch& sketch() { return sketch_; }

 private:
  ThetaSketch sketch_;
  std::shared_ptr<arrow::Array> dictionary_;  // that was taken last
};

}  // namespace calve::maintain
