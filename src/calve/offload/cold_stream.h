// Rows of an Iceberg table, pulled: several files are read side by side into a bounded queue.
#pragma once

#include <thread>

#include "calve/offload/block_queue.h"
#include "calve/offload/cold_rows.h"

namespace calve::offload {

// Ends its threads on every way out. All arguments are borrowed.
class ColdStream {
 public:
  ColdStream(storage::FileIO& file_io, const ColdScan& scan, size_t threads, int64_t queue_bytes_max,
             const StopToken& stop);
  ~ColdStream();
  ColdStream(const ColdStream&) = delete;
  ColdStream& operator=(const ColdStream&) = delete;

  // In no order; null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();

 private:
  BlockQueue queue_;
  std::thread thread_;
};

}  // namespace calve::offload
