// One table of the configuration as offload and verify take it. Pure.
#pragma once

#include "calve/config/config.h"
#include "calve/offload/offload.h"
#include "calve/offload/verify.h"

namespace calve::cycle {

offload::OffloadRequest RequestOf(const config::TableConfig& table);
// The request's range and bounds, and what the configuration says of the table; a key and settings of the request go
// first.
offload::VerifyRequest VerifyRequestOf(const config::TableConfig& table, offload::VerifyRequest request);

}  // namespace calve::cycle
