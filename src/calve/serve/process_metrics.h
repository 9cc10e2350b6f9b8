// The process itself, under the names that all of Prometheus' clients use.
#pragma once

#include "calve/serve/metric_set.h"

namespace calve::serve {

// As /proc tells it at this moment; what it does not tell is left out.
MetricFamilies ProcessMetrics();

}  // namespace calve::serve
