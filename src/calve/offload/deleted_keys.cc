#include "calve/offload/deleted_keys.h"

#include <algorithm>

#include "calve/offload/hot_rows.h"
#include "calve/offload/source_select.h"

namespace calve::offload {
namespace {

constexpr int64_t kKeysQueueBytesMax = 8 << 20;

}  // namespace

Status ForEachDeletedKey(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan,
                         const Window& window, const std::function<void(const fingerprint::RowHash&)>& take) {
  HotScan scan;
  std::vector<SelectedColumn> columns;
  std::vector<int> ids;
  for (int index : plan.key) {
    const iceberg::NestedField& field = plan.schema.fields[static_cast<size_t>(index)];
    scan.schema.fields.push_back(field);
    ids.push_back(field.id);
    auto column = std::find_if(plan.columns.begin(), plan.columns.end(),
                               [&](const SelectedColumn& selected) { return selected.name == field.name; });
    if (column != plan.columns.end()) columns.push_back(*column);
  }
  scan.sql = SelectDeletedKeys(plan.table, columns, window, plan.cursor);
  scan.query.settings = request.settings;
  scan.query.among = plan.replicas;
  scan.window = window;
  scan.cursor_column = plan.cursor.column;
  scan.queue_bytes_max = std::min(request.memory_bytes / 8, kKeysQueueBytesMax);
  fingerprint::RowHasher hasher(ids);
  return ReadHotRows(*context.source, scan, context.stop, [&](size_t, const auto& batch) -> Status {
    constexpr int64_t kChunk = fingerprint::RowHasher::kChunkRows;
    for (int64_t offset = 0; offset < batch->num_rows(); offset += kChunk) {
      const int64_t length = std::min(kChunk, batch->num_rows() - offset);
      ARROW_RETURN_NOT_OK(hasher.Hash(*batch, offset, length));
      for (int64_t i = 0; i < length; ++i) take(hasher.rows()[static_cast<size_t>(i)]);
    }
    return Status::OK();
  });
}

}  // namespace calve::offload
