// http(s)://user@host:port/database as a Source.
#pragma once

#include <memory>

#include "calve/source/source.h"
#include "calve/source/source_url.h"

namespace calve::source {

// Opens nothing yet: the first query connects. Queries may run side by side, each on a connection of its own;
// connections are kept alive between them.
Result<std::unique_ptr<Source>> OpenHttpSource(const SourceUrl& url, const SourceOptions& options,
                                               const StopToken& stop);

}  // namespace calve::source
