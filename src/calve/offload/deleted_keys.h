// Keys that hot knows to be deleted: rows of theirs are there, and say that none is alive.
#pragma once

#include <functional>

#include "calve/fingerprint/row_hash.h"
#include "calve/offload/verify_plan.h"

namespace calve::offload {

// Of rows with a time in the window, by the hash of their key (as BucketRowHasher has it). Only for engines that tell
// deletions (mode.h).
Status ForEachDeletedKey(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan,
                         const Window& window, const std::function<void(const fingerprint::RowHash&)>& take);

}  // namespace calve::offload
