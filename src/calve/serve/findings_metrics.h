// What `calve verify` and `calve retire` found, as metrics (docs/metrics.md): gauges of the last look at each table,
// and what retire dropped in all. Pure values; not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/offload/retire.h"
#include "calve/offload/verify.h"
#include "calve/serve/metric_set.h"

namespace calve::serve {

std::vector<MetricDescription> VerifyDescriptions();
std::vector<MetricDescription> RetireDescriptions();

// Of a set of these descriptions.
void AddVerified(MetricSet& set, const std::string& table, const offload::VerifyResult& result, TimestampMicros now);
// `result`: also of a failure, which blocks as well. Nothing where another calve worked on the table.
void AddRetired(MetricSet& set, const std::string& table, const Result<offload::RetireResult>& result,
                TimestampMicros now);

}  // namespace calve::serve
