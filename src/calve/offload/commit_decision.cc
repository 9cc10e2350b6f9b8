#include "calve/offload/commit_decision.h"

namespace calve::offload {

Result<NextStep> DecideNextStep(const iceberg::TableMetadata& reloaded, const std::string& table_uuid,
                                const std::string& commit_id, const std::optional<TimestampMicros>& planned_from,
                                const std::optional<std::string>& planned_commit) {
  if (reloaded.table_uuid != table_uuid) {
    return MakeError(ErrorKind::kConflict, "the target table was dropped and made anew while its window was written",
                     "Run again: the window is planned on the new table.");
  }
  if (auto trace = FindCommit(reloaded, commit_id)) return trace->on_main ? NextStep::kDone : NextStep::kRolledBack;
  ARROW_ASSIGN_OR_RAISE(std::optional<Watermark> watermark, ReadWatermark(reloaded));
  std::optional<TimestampMicros> now_at;
  if (watermark) now_at = watermark->stamp.window_to;
  if (planned_commit && (!watermark || watermark->stamp.commit_id != *planned_commit)) return NextStep::kPlanAnew;
  return now_at == planned_from ? NextStep::kTryAgain : NextStep::kPlanAnew;
}

}  // namespace calve::offload
