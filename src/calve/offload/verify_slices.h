// Verification by slices: planned here, compared anywhere, summed up here. What the source and the catalog say is asked
// once, when it is planned; comparing a slice takes the source and the store. docs/verify.md.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/verify_cut.h"
#include "calve/offload/verify_slice.h"

namespace calve::offload {

struct PlannedVerify {
  std::string location;            // of the header; empty: there is nothing to compare
  std::vector<std::string> lines;  // of the slices
  std::vector<std::string> notes;
  int64_t rows = 0;  // of both sides, about
  bool resumed = false;
};
struct VerifySlicesOptions {
  CutSize size;
  // The lines of the newest open plan that was asked for the same, and whose snapshot is still there, again.
  bool resume = false;
  int64_t lease_micros = 6 * 3600 * kMicrosPerSecond;  // older plans are given up
};
// Writes the plan beside the table. kConfig for what cannot be cut (cold_only).
Result<PlannedVerify> PlanVerifySlices(const VerifyContext& context, const VerifyRequest& request,
                                       const VerifySlicesOptions& options);
// Gives all open plans of the table up. How many.
Result<int64_t> AbandonVerifyPlans(catalog::Catalog& catalog, storage::FileIO& file_io,
                                   const catalog::TableIdent& ident);

struct SliceResources {
  int64_t memory_bytes = 512 << 20;
  size_t cold_threads = 2;
};
// Compares the slice of a line; the line that becomes of it. kConfig: the source is not the one that was planned on.
Result<std::string> VerifyOneSlice(const SidesContext& context, const std::string& line,
                                   const SliceResources& resources);

struct SummedVerify {
  VerifyResult result;
  int64_t bucket_micros = 0;
  std::string plan_id;
};
// Of all slices' lines; `plan` is its location, empty: as the lines say. Ends the plan, also where it refuses them,
// unless `keep`.
Result<SummedVerify> SumVerifySlices(storage::FileIO& file_io, const Clock& clock,
                                     const std::vector<std::string>& lines, const std::string& plan, bool keep);

}  // namespace calve::offload
