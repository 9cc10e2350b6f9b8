#include "calve/offload/cold_rows.h"

#include <atomic>

#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/worker_pool.h"

namespace calve::offload {
namespace {

Status ReadFile(storage::FileIO& file_io, const ColdScan& scan, const table::ScanTask& task, size_t lane,
                const StopToken& stop, const RowsOfFile& consumer) {
  datafile::ReadRequest request;
  request.schema = scan.schema;
  request.range = scan.range;
  request.deletes = task.deletes;
  request.table_schema = scan.table_schema;
  request.dictionaries = scan.dictionaries;
  ARROW_ASSIGN_OR_RAISE(auto reader, datafile::DataFileReader::Open(file_io, task.file, std::move(request)));
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) return Status::OK();
    ARROW_RETURN_NOT_OK(consumer(lane, task, reader->positions(), batch));
  }
}

}  // namespace

Status ReadColdFiles(storage::FileIO& file_io, const ColdScan& scan, size_t threads, const StopToken& stop,
                     const RowsOfFile& consumer) {
  datafile::WorkerPool pool(threads);
  std::atomic<size_t> next{0};
  return pool.ForEach(threads, [&](size_t lane) -> Status {
    for (size_t i = next++; i < scan.tasks.size(); i = next++) {
      ARROW_RETURN_NOT_OK(ReadFile(file_io, scan, scan.tasks[i], lane, stop, consumer));
    }
    return Status::OK();
  });
}

Status ReadColdRows(storage::FileIO& file_io, const ColdScan& scan, size_t threads, const StopToken& stop,
                    const RowConsumer& consumer) {
  return ReadColdFiles(file_io, scan, threads, stop,
                       [&](size_t lane, const table::ScanTask&, const std::vector<int64_t>&, const auto& batch) {
                         return consumer(lane, batch);
                       });
}

int64_t RowsAtMost(const ColdScan& scan) {
  int64_t rows = 0;
  for (const table::ScanTask& task : scan.tasks) rows += task.file.record_count;
  return rows;
}

}  // namespace calve::offload
