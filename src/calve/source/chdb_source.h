// chdb:DIR as a Source.
#pragma once

#include <memory>

#include "calve/source/chdb_library.h"
#include "calve/source/source.h"
#include "calve/source/source_url.h"

namespace calve::source {

// Queries may run side by side, each on a connection of its own. query_id and the settings of the transport do not
// exist here.
Result<std::unique_ptr<Source>> OpenChdbSource(const SourceUrl& url, const SourceOptions& options,
                                               const StopToken& stop);
// The same over a library that is loaded already.
Result<std::unique_ptr<Source>> OpenChdbSource(const ChdbLibrary& library, const SourceUrl& url,
                                               const SourceOptions& options, const StopToken& stop);

}  // namespace calve::source
