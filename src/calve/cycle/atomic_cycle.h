// A cycle whose tables move together or not at all: `commit: atomic-cycle`.
#pragma once

#include "calve/cycle/cycle.h"

namespace calve::cycle {

// kConfig where the catalog cannot commit several tables in one step.
Status CheckCommitsTogether(catalog::Catalog& catalog);

// As RunCycle, but what the tables have to commit waits, and goes in as one commit of the catalog's at the end:
// windows, late rows, and the watermarks with them. A table's window ends at its parents' planned watermarks. Tables
// that fail, and those after them, are left out. Where the commit fails, all fail; the next cycle does them again.
// Tables are told of as ended once the outcome is known. As CheckCommitsTogether, before anything is done.
Result<CycleReport> RunAtomicCycle(const config::Config& config, const CycleOptions& options,
                                   const CycleContext& context, CycleReporter& reporter);

}  // namespace calve::cycle
