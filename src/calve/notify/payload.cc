#include "calve/notify/payload.h"

#include <nlohmann/json.hpp>

namespace calve::notify {
namespace {

using PayloadJson = nlohmann::ordered_json;

void PutText(PayloadJson& json, const char* key, std::string_view value) {
  if (!value.empty()) json[key] = value;
}

std::string Dumped(const PayloadJson& json) { return json.dump(-1, ' ', false, PayloadJson::error_handler_t::replace); }

// The labels are what an alert is known by: nothing in them changes while it lasts.
PayloadJson AlertJson(const Problem& problem, TimestampMicros ends_at, const Sender& sender) {
  const KindDescription& kind = DescriptionOf(problem.last.kind);
  PayloadJson labels = {{"alertname", kind.alert}, {"severity", kind.severity}, {"service", "calve"}};
  PutText(labels, "table", problem.last.table);
  PutText(labels, "layer", problem.last.layer);
  PutText(labels, "instance", sender.host);
  PayloadJson annotations = {{"summary", SummaryOf({NoticeReason::kNew, problem, problem.last_at})},
                             {"runbook_url", kind.runbook}};
  PutText(annotations, "description", problem.last.message);
  PutText(annotations, "remedy", problem.last.remedy);
  PutText(annotations, "run", problem.last.run);
  PutText(annotations, "cycle", problem.last.cycle);
  return {{"labels", std::move(labels)},
          {"annotations", std::move(annotations)},
          {"startsAt", FormatTimestamp(problem.first_at)},
          {"endsAt", FormatTimestamp(ends_at)}};
}

}  // namespace

std::string WebhookBody(const Notice& notice, const Sender& sender) {
  const Problem& problem = notice.problem;
  const KindDescription& kind = DescriptionOf(problem.last.kind);
  const bool is_over = notice.reason == NoticeReason::kResolved;
  PayloadJson json = {{"version", 1},
                      {"status", is_over ? "resolved" : "firing"},
                      {"reason", NoticeReasonName(notice.reason)},
                      {"problem", kind.name},
                      {"alert", kind.alert},
                      {"severity", kind.severity},
                      {"summary", SummaryOf(notice)},
                      {"count", problem.count},
                      {"first_at", FormatTimestamp(problem.first_at)},
                      {"last_at", FormatTimestamp(problem.last_at)}};
  if (is_over) json["ended_at"] = FormatTimestamp(notice.at);
  PutText(json, "table", problem.last.table);
  PutText(json, "layer", problem.last.layer);
  PutText(json, "error_kind", problem.last.error_kind);
  PutText(json, "message", problem.last.message);
  PutText(json, "remedy", problem.last.remedy);
  PutText(json, "run", problem.last.run);
  PutText(json, "cycle", problem.last.cycle);
  PutText(json, "runbook", kind.runbook);
  PutText(json, "host", sender.host);
  PutText(json, "config", sender.config);
  return Dumped(json);
}

std::string AlertmanagerBody(const std::vector<Problem>& problems, TimestampMicros ends_at,
                             const std::vector<Notice>& over, const Sender& sender) {
  PayloadJson json = PayloadJson::array();
  for (const Problem& problem : problems) json.push_back(AlertJson(problem, ends_at, sender));
  for (const Notice& notice : over) {
    if (notice.reason == NoticeReason::kResolved) json.push_back(AlertJson(notice.problem, notice.at, sender));
  }
  return Dumped(json);
}

}  // namespace calve::notify
