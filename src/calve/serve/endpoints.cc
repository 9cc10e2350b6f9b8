#include "calve/serve/endpoints.h"

#include <filesystem>

#include "calve/serve/findings_metrics.h"
#include "calve/serve/metrics_file.h"
#include "calve/serve/process_metrics.h"

namespace calve::serve {
namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// What cannot be read now is left out: whoever wrote the file has said so, and metrics of its own tell when that was.
void AddFindings(const std::string& directory, const std::vector<std::string>& tables, const std::string& command,
                 std::vector<MetricDescription> descriptions, const MetricFamilies& own, MetricFamilies& families) {
  MetricSet set(std::move(descriptions));
  if (directory.empty()) {
    set.Restore(own);
    set.Keep("table", tables);
  } else {
    auto found = ReadMetricsFile(MetricsFileIn(directory, command));
    if (found.ok()) set.Restore(*found);
    set.Keep("table", tables);
  }
  families.insert(families.end(), set.families().begin(), set.families().end());
}

}  // namespace

std::string MetricsFileIn(const std::string& directory, const std::string& command) {
  return (std::filesystem::path(directory) / ("calve_" + command + ".prom")).string();
}

void Endpoints::SetNotReady(std::string why) {
  std::lock_guard lock(mutex_);
  not_ready_ = std::move(why);
}

void Endpoints::SetFindings(std::string directory, std::vector<std::string> tables) {
  std::lock_guard lock(mutex_);
  directory_ = std::move(directory);
  tables_ = std::move(tables);
}

Status Endpoints::AddVerify(const std::string& table, const offload::VerifyResult& result, TimestampMicros now) {
  std::string directory;
  std::vector<std::string> tables;
  {
    std::lock_guard lock(mutex_);
    directory = directory_;
    tables = tables_;
  }
  const auto update = [&](const MetricFamilies& earlier) {
    MetricSet set(VerifyDescriptions());
    set.Restore(earlier);
    set.Keep("table", tables);
    AddVerified(set, table, result, now);
    return set.families();
  };
  if (!directory.empty()) return UpdateMetricsFile(MetricsFileIn(directory, "verify"), update);
  std::lock_guard lock(mutex_);
  verified_ = update(verified_);
  return Status::OK();
}

std::map<std::string, std::function<HttpAnswer()>> Endpoints::Handlers() const {
  return {{"/metrics", [this] { return Metrics(); }},
          {"/healthz",
           [] {
             return HttpAnswer{200, "ok\n"};
           }},
          {"/readyz", [this] { return Ready(); }}};
}

HttpAnswer Endpoints::Metrics() const {
  std::string directory;
  std::vector<std::string> tables;
  MetricFamilies verified;
  {
    std::lock_guard lock(mutex_);
    directory = directory_;
    tables = tables_;
    verified = verified_;
  }
  MetricFamilies families = metrics_.Collect();
  AddFindings(directory, tables, "verify", VerifyDescriptions(), verified, families);
  AddFindings(directory, tables, "retire", RetireDescriptions(), {}, families);
  const MetricFamilies maintenance = maintenance_.Collect();
  families.insert(families.end(), maintenance.begin(), maintenance.end());
  const MetricFamilies process = ProcessMetrics();
  families.insert(families.end(), process.begin(), process.end());
  return {200, MetricsText(families), kMetricsType};
}

HttpAnswer Endpoints::Ready() const {
  std::lock_guard lock(mutex_);
  if (not_ready_.empty()) return {200, "ready\n"};
  return {503, not_ready_ + "\n"};
}

}  // namespace calve::serve
