// Drops parts from ClickHouse, one by one, as long as cold is what it was when their rows were verified.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/offload.h"
#include "calve/offload/retire_plan.h"

namespace calve::offload {

// The snapshot that holds their rows.
struct VerifiedCold {
  catalog::TableIdent ident;
  std::string table_uuid;
  int64_t snapshot_id = 0;
};

struct DropOutcome {
  std::vector<HotPart> dropped;
  std::vector<KeptPart> kept;  // gone meanwhile, busy, or not come to
  Status ended_early;          // why not all parts were come to; OK else
};

// In the order given. Looks at cold and at pending mutations before the first, and again whenever a second has passed.
DropOutcome DropParts(const OffloadContext& context, const source::SourceTable& table, const VerifiedCold& cold,
                      const std::vector<HotPart>& parts);

}  // namespace calve::offload
