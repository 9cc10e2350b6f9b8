// The places of plans, as the offload's names: table/plan_store.h.
#pragma once

#include "calve/table/plan_store.h"

namespace calve::offload {

using table::BelowPlan;
using table::CheckPlanIsOpen;
using table::EndedPlan;
using table::EndPlan;
using table::ListPlanFiles;
using table::ListPlans;
using table::MarkCommit;
using table::PlanDataLocation;
using table::PlanIdOf;
using table::PlanLocation;
using table::ReadPlan;
using table::ReadPlanLines;
using table::StorePlan;

}  // namespace calve::offload
