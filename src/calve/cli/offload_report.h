// How one table's offload is told, to scripts and to people.
#pragma once

#include <string>

#include "calve/cli/json_output.h"
#include "calve/offload/offload.h"

namespace calve::cli {

Json ResultJson(const offload::OffloadResult& r, bool dry_run);

// On stdout, for people.
void PrintOffloadResult(const offload::OffloadResult& r, bool dry_run);

// "(the beginning, 2024-08-09T00:15:00.000000Z]"
std::string WindowText(const offload::Window& window);
// " in 3 chunks", or nothing.
std::string InChunks(const offload::OffloadResult& r);

}  // namespace calve::cli
