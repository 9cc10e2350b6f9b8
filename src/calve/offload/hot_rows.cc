#include "calve/offload/hot_rows.h"

#include <algorithm>

#include "calve/datafile/conform.h"
#include "calve/offload/block_reader.h"
#include "calve/offload/cursor_check.h"
#include "calve/source/cluster_query.h"

namespace calve::offload {
namespace {

Status Drain(BlockQueue& queue, const HotScan& scan, const StopToken& stop, const RowConsumer& consumer) {
  std::unique_ptr<datafile::Conformer> conformer;  // made with the first block, which tells the columns
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(BlockQueue::Item item, queue.Pop());
    if (!item.block) return Status::OK();
    if (!conformer) {
      ARROW_ASSIGN_OR_RAISE(conformer, datafile::Conformer::Make(scan.schema, *item.block->schema()));
    }
    auto cursor = item.block->GetColumnByName(scan.cursor_column);
    if (cursor) ARROW_RETURN_NOT_OK(CheckCursor(*cursor, scan.window, scan.cursor_column));
    ARROW_ASSIGN_OR_RAISE(auto fitted, conformer->Apply(*item.block));
    ARROW_RETURN_NOT_OK(consumer(0, fitted));
  }
}

}  // namespace

Status ReadHotRows(source::Source& source, const HotScan& scan, const StopToken& stop, const RowConsumer& consumer) {
  BlockQueue queue(scan.queue_bytes_max);
  ARROW_ASSIGN_OR_RAISE(const int shards, source::ShardsOf(source));
  BlockReader reader(source, OnEachShard({scan.sql, scan.query}, source.cluster() ? shards : 0),
                     std::min<int64_t>(shards, kShardsAtOnce), queue, stop);
  return Drain(queue, scan, stop, consumer);
}

}  // namespace calve::offload
