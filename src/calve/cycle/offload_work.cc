#include "calve/cycle/cycle.h"
#include "calve/cycle/server_load.h"
#include "calve/offload/watermark.h"

namespace calve::cycle {
namespace {

class Work : public TableWork {
 public:
  Work(const CycleContext& context, const config::LimitsConfig& limits)
      : context_(context), pause_(limits.pause_when) {}

  Result<std::optional<TimestampMicros>> Watermark(const catalog::TableIdent& target) override {
    auto table = context_.catalog.LoadTable(target);
    if (KindOf(table.status()) == ErrorKind::kNotFound) return std::nullopt;
    ARROW_RETURN_NOT_OK(table.status());
    ARROW_ASSIGN_OR_RAISE(auto watermark, offload::ReadWatermark(table->metadata));
    return watermark ? std::optional(watermark->stamp.window_to) : std::nullopt;
  }

  Result<offload::OffloadResult> Offload(const offload::OffloadRequest& request,
                                         offload::ProgressSink& progress) override {
    ARROW_RETURN_NOT_OK(WaitWhileBusy(context_.source, pause_, context_.stop, progress));
    const offload::OffloadContext context{context_.source, context_.catalog, context_.file_io, context_.journal,
                                          context_.clock,  context_.stop,    progress};
    return offload::OffloadTable(context, request);
  }

 private:
  const CycleContext context_;
  const config::PauseConfig pause_;
};

}  // namespace

std::unique_ptr<TableWork> OffloadWork(const CycleContext& context, const config::LimitsConfig& limits) {
  return std::make_unique<Work>(context, limits);
}

}  // namespace calve::cycle
