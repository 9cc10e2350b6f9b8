// The status page of `calve serve`: what it knows, who may ask, and the work that requests start.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "calve/base/stop.h"
#include "calve/catalog/catalog.h"
#include "calve/cli/terminal.h"
#include "calve/config/config.h"
#include "calve/cycle/served_tables.h"
#include "calve/serve/endpoints.h"
#include "calve/serve/http_server.h"
#include "calve/serve/server_state.h"
#include "calve/serve/status_api.h"

namespace calve::schedule {
class ServeLoop;
}

namespace calve::cli {

class StatusServer : public serve::ServerActions {
 public:
  // Everything borrowed must outlive it.
  StatusServer(serve::Endpoints& endpoints, StopToken& stop, Terminal& terminal, const Clock& clock);
  // Ends the work that requests started: `stop` must have been asked for, or it is waited for.
  ~StatusServer() override;

  serve::ServerState& state() { return state_; }
  bool is_listening() const { return http_ != nullptr; }

  // This configuration from now on, for requests as well.
  void Configure(const config::Config& config, const std::string& schedule, int64_t interval_micros);
  // Called once. `address` goes before the configuration's.
  Status Listen(const std::string& address);
  // Requests for a cycle go there; null: it has ended.
  void SetLoop(schedule::ServeLoop* loop);

  // At the start of a cycle, with its journal (null: it is away): who is paused, and once what has been.
  void ReadJournal(journal::Journal* journal, const Status& error);
  // After a cycle: who was put aside.
  void Learn(const cycle::ServedTables& tables, TimestampMicros now);

  Status RunNow() override;
  Status Pause(const std::string& table) override;
  Status Resume(const std::string& table) override;
  Status Verify(const std::string& table, const serve::VerifyJob& job) override;

 private:
  struct WaitingJob {
    std::string table;
    serve::VerifyJob job;
  };
  config::Config ConfigNow() const;
  Status WithJournal(const std::function<Status(journal::Journal&)>& change);
  void Work();
  Result<offload::VerifyResult> Compare(const WaitingJob& job);

  serve::Endpoints& endpoints_;
  StopToken& stop_;
  Terminal& terminal_;
  const Clock& clock_;
  serve::ServerState state_;
  std::optional<serve::TokenSource> token_;
  std::optional<serve::StatusApi> api_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // protected by mutex_
  config::Config config_;
  schedule::ServeLoop* loop_ = nullptr;
  std::deque<WaitingJob> waiting_;
  bool ended_ = false;

  std::jthread worker_;                      // begins with the first job
  std::unique_ptr<serve::HttpServer> http_;  // last: it calls all of the above
};

}  // namespace calve::cli
