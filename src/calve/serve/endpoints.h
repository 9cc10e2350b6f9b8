// What `calve serve` answers over HTTP: /metrics, /healthz, /readyz.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "calve/offload/verify.h"
#include "calve/serve/http_server.h"
#include "calve/serve/maintenance_metrics.h"
#include "calve/serve/offload_metrics.h"

namespace calve::serve {

// Thread-safe; must outlive the server that has its handlers.
class Endpoints {
 public:
  // Both must outlive it.
  Endpoints(const OffloadMetrics& metrics, const MaintenanceMetrics& maintenance)
      : metrics_(metrics), maintenance_(maintenance) {}

  // Empty: it is ready. Else why not, in a few words, which everybody may read.
  void SetNotReady(std::string why);
  // Where `calve verify` and `calve retire` leave what they found, of which tables; empty: nowhere.
  void SetFindings(std::string directory, std::vector<std::string> tables);

  // What this process compared: into the file where there is a folder, else kept as long as the process runs.
  Status AddVerify(const std::string& table, const offload::VerifyResult& result, TimestampMicros now);

  std::map<std::string, std::function<HttpAnswer()>> Handlers() const;

 private:
  HttpAnswer Metrics() const;
  HttpAnswer Ready() const;

  const OffloadMetrics& metrics_;
  const MaintenanceMetrics& maintenance_;
  mutable std::mutex mutex_;
  // protected by mutex_
  std::string not_ready_ = "nothing has been opened yet";
  std::string directory_;
  std::vector<std::string> tables_;
  MetricFamilies verified_;  // where there is no folder
};

// The file of a command in that folder: "calve_verify.prom".
std::string MetricsFileIn(const std::string& directory, const std::string& command);

}  // namespace calve::serve
