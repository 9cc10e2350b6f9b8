// Record batches as the bytes of FORMAT ArrowStream, in forms that ClickHouse reads.
#pragma once

#include <arrow/buffer.h>

#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/source/source.h"

namespace calve::source {

// The type in which a column travels: dictionaries as their values (ClickHouse takes the first one of a column for all
// of its batches), decimals of 32 and 64 bits as ones of 128, which its Arrow knows; at every depth.
std::shared_ptr<arrow::DataType> TravelType(const std::shared_ptr<arrow::DataType>& type);

// Pulls batches as it is asked for bytes. Not thread-safe.
class ArrowStreamEncoder {
 public:
  // `next` is called until it says null, and never again after an error. `compress`: buffers go as lz4 frames where
  // this Arrow can.
  static Result<std::unique_ptr<ArrowStreamEncoder>> Make(BatchProducer next, bool compress);
  ~ArrowStreamEncoder();

  // Whether there is no batch at all: then nothing is to be sent.
  bool empty() const;
  // The next bytes; null behind the last. Errors are the producer's, or kUnsupported for a type that cannot travel.
  Result<std::shared_ptr<arrow::Buffer>> Next();

 private:
  struct Impl;
  explicit ArrowStreamEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::source
