// How often a commit is tried, as the table wants it.
#pragma once

#include <functional>

#include "calve/base/retry.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::table {

// Where waiting happens; tests pass one that does not sleep.
using Sleep = std::function<Status(int64_t milliseconds)>;

// Sleeps.
Status SleepFor(int64_t milliseconds);

// Table properties commit.retry.*. kConfig where one does not parse.
Result<RetryPolicy> CommitRetryPolicyOf(const iceberg::TableMetadata& metadata);

}  // namespace calve::table
