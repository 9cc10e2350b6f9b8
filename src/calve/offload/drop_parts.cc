#include "calve/offload/drop_parts.h"

#include <chrono>
#include <optional>

namespace calve::offload {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kTriesMax = 3;  // of a part, where the outcome of the try before is not known
constexpr auto kLookAgainAfter = std::chrono::seconds(1);
constexpr const char* kChanged = "it was merged or changed meanwhile: the next run looks at what it became";

bool Says(const Status& status, const char* error_name) {
  return MessageOf(status).find(error_name) != std::string::npos;
}

class Dropper {
 public:
  Dropper(const OffloadContext& context, const source::SourceTable& table, const VerifiedCold& cold)
      : context_(context), table_(table), cold_(cold) {}

  DropOutcome Run(const std::vector<HotPart>& parts) {
    const auto began = Steady::now();
    for (size_t i = 0; i < parts.size(); ++i) {
      Status status = LookAgain();
      if (status.ok()) status = Drop(parts[i]);
      if (!status.ok()) {
        for (size_t rest = i; rest < parts.size(); ++rest) {
          outcome_.kept.push_back({parts[rest], "the run ended before it"});
        }
        outcome_.ended_early = WithContext(
            status, fmt::format("{} of {} parts were dropped, and no more are", outcome_.dropped.size(), parts.size()));
        break;
      }
      Progress progress{"dropping", static_cast<int64_t>(i) + 1, static_cast<int64_t>(parts.size())};
      progress.seconds = std::chrono::duration<double>(Steady::now() - began).count();
      progress.unit = "parts";
      context_.progress.Update(progress);
    }
    return std::move(outcome_);
  }

 private:
  Status LookAgain() {
    ARROW_RETURN_NOT_OK(context_.stop.Check());
    if (looked_ && Steady::now() - *looked_ < kLookAgainAfter) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto now, context_.catalog.LoadTable(cold_.ident));
    ARROW_RETURN_NOT_OK(CheckColdSince(now.metadata, cold_.table_uuid, cold_.snapshot_id));
    ARROW_RETURN_NOT_OK(CheckNothingIsPending(context_.source, table_));
    looked_ = Steady::now();
    return Status::OK();
  }

  Status Drop(const HotPart& part) {
    const std::string sql = fmt::format("ALTER TABLE {}.{} DROP PART {}", source::QuoteIdentifier(table_.database),
                                        source::QuoteIdentifier(table_.name), source::QuoteString(part.name));
    Status last;
    bool unknown = false;  // the outcome of any try
    for (int tries = 0; tries < kTriesMax; ++tries) {
      last = context_.source.Execute(sql, {});
      if (last.ok()) {
        outcome_.dropped.push_back(part);
        return Status::OK();
      }
      if (Says(last, "PART_IS_TEMPORARILY_LOCKED")) return Keep(part, "ClickHouse is merging it");
      unknown |= KindOf(last) == ErrorKind::kUnknownOutcome;
      if (KindOf(last) != ErrorKind::kUnknownOutcome && !Says(last, "NO_SUCH_DATA_PART")) break;
      ARROW_ASSIGN_OR_RAISE(const PartState state, AskPartState(context_.source, table_, part));
      if (state == PartState::kMerged) return Keep(part, kChanged);
      if (state == PartState::kDropped) {
        if (!unknown) return Keep(part, "it was gone already");
        outcome_.dropped.push_back(part);
        return Status::OK();
      }
      // Still there: whether that statement comes late or never, the part is what was verified, and may be dropped.
    }
    return WithContext(last, fmt::format("dropping part {}", part.name));
  }

  Status Keep(const HotPart& part, std::string reason) {
    outcome_.kept.push_back({part, std::move(reason)});
    return Status::OK();
  }

  const OffloadContext& context_;
  const source::SourceTable& table_;
  const VerifiedCold& cold_;
  std::optional<Steady::time_point> looked_;
  DropOutcome outcome_;
};

}  // namespace

DropOutcome DropParts(const OffloadContext& context, const source::SourceTable& table, const VerifiedCold& cold,
                      const std::vector<HotPart>& parts) {
  return Dropper(context, table, cold).Run(parts);
}

}  // namespace calve::offload
