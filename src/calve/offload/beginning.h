// Where a window begins: at the target's own watermark, else where the operator or the Spark job's journal says.
#pragma once

#include <optional>
#include <string>

#include "calve/offload/offload.h"
#include "calve/offload/watermark.h"

namespace calve::offload {

struct Beginning {
  std::optional<Watermark> watermark;   // as the target's snapshots tell it
  std::optional<TimestampMicros> from;  // nullopt: at the first row
  bool adopts_row = false;              // `from` is the one of the Spark job's row in the journal
  std::string note;                     // what the operator should know; mostly empty
};

// `target` is null where the table does not exist. kConfig where the target is another source's, or has rows of which
// nothing says up to when they reach.
Result<Beginning> FindBeginning(const OffloadContext& context, const OffloadRequest& request,
                                const source::SourceTable& table, const iceberg::TableMetadata* target);

}  // namespace calve::offload
