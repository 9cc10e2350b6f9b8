// One table of the configuration as the offload takes it. Pure.
#pragma once

#include "calve/config/config.h"
#include "calve/offload/offload.h"

namespace calve::cycle {

offload::OffloadRequest RequestOf(const config::TableConfig& table);

}  // namespace calve::cycle
