// The target's property calve.retired-to (watermark.h): set before the first part is dropped, so that whoever compares
// hot with cold from then on knows that hot may lack rows.
#pragma once

#include <string>

#include "calve/catalog/catalog.h"
#include "calve/offload/commit_window.h"

namespace calve::offload {

// Moves it on to `to`, unless it is there or further on already; what it says then. kConflict where the verified
// snapshot is no longer what main holds (CheckColdSince). An unknown outcome is tried again: the property only moves
// on.
Result<TimestampMicros> MarkRetired(catalog::Catalog& catalog, const catalog::TableIdent& ident,
                                    const std::string& table_uuid, int64_t verified_snapshot, TimestampMicros to,
                                    const Sleep& sleep);

}  // namespace calve::offload
