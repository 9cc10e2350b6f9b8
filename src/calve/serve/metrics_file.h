// Metrics in a file, for node_exporter's textfile collector and for commands that end: what one run leaves the next one
// goes on from, so that counters count on.
#pragma once

#include <functional>
#include <string>

#include "calve/serve/metric_set.h"

namespace calve::serve {

// Empty where there is no such file. kCorrupt where it is none of calve's, kFailed where it cannot be read.
Result<MetricFamilies> ReadMetricsFile(const std::string& path);

// Hands over what the file holds, and puts in its place what comes back, in one step: a reader sees the old or the new
// one as a whole. Only one process at a time does this in one folder. A file that is none of calve's stays as it is.
Status UpdateMetricsFile(const std::string& path,
                         const std::function<MetricFamilies(const MetricFamilies& earlier)>& update);

}  // namespace calve::serve
