// Rows of a ClickHouse table as the offload would write them.
#pragma once

#include <string>

#include "calve/base/stop.h"
#include "calve/iceberg/type.h"
#include "calve/offload/row_consumer.h"
#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

struct HotScan {
  std::string sql;  // SelectRows(…)
  source::QueryOptions query;
  iceberg::Schema schema;  // what the rows are fitted to
  Window window;
  std::string cursor_column;  // every row is checked to lie in the window
  int64_t queue_bytes_max = 32 << 20;
};

// One lane. Reads and decodes in a thread of its own, or one for each shard of a cluster.
Status ReadHotRows(source::Source& source, const HotScan& scan, const StopToken& stop, const RowConsumer& consumer);

}  // namespace calve::offload
