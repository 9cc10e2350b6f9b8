// Everything that `calve serve` answers over HTTP: the page, /api/v1, /metrics and its kin. Who may ask what is decided
// here (docs/status-page.md).
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/serve/access.h"
#include "calve/serve/endpoints.h"
#include "calve/serve/http_server.h"
#include "calve/serve/rate_limit.h"
#include "calve/serve/server_state.h"
#include "calve/serve/status_document.h"

namespace calve::serve {

// What requests may start. One call at a time. Names are those of tables of the configuration.
class ServerActions {
 public:
  virtual ~ServerActions() = default;
  // A cycle over all tables, as soon as none runs.
  virtual Status RunNow() = 0;
  virtual Status Pause(const std::string& table) = 0;
  virtual Status Resume(const std::string& table) = 0;
  // kAlreadyExists: one of this table is under way. kRetry: too many wait.
  virtual Status Verify(const std::string& table, const VerifyJob& job) = 0;
};

enum class RouteAccess {
  kMachine,  // /metrics, /healthz, /readyz: whoever reaches it, by whatever name
  kOpen,     // holds nothing of ours: the page's files, the API's description
  kRead,     // with a token where the rules say so
  kAct,      // always with a token, and never from another site's page
};

struct Route {
  std::string method, path;  // "/api/v1/tables/{name}"
  RouteAccess access = RouteAccess::kRead;
  // `name`: what stands in the place of {name}.
  std::function<HttpAnswer(const HttpRequest& request, const std::string& name)> answer;
};

struct StatusApiOptions {
  AccessRules access;
  double wrong_tokens = 10, actions = 20;                                                   // at once, of one address
  int64_t wrong_token_micros = 6 * kMicrosPerSecond, action_micros = 3 * kMicrosPerSecond;  // and one more each
};

// Thread-safe. Everything borrowed must outlive it.
class StatusApi {
 public:
  StatusApi(const ServerState& state, const Endpoints& endpoints, TokenSource& token, ServerActions& actions,
            const Clock& clock, StatusApiOptions options);

  HttpAnswer Answer(const HttpRequest& request);
  const std::vector<Route>& routes() const { return routes_; }

 private:
  void AddReading();
  void AddActing();
  // nullopt: it may.
  std::optional<HttpAnswer> Refuse(const HttpRequest& request, RouteAccess access);
  std::optional<HttpAnswer> RefuseToken(const HttpRequest& request, bool is_needed);
  std::optional<HttpAnswer> RefuseAction(const HttpRequest& request);
  HttpAnswer Act(const std::function<Status()>& action, const std::function<HttpAnswer()>& done);
  HttpAnswer TableOrError(const std::string& name, const std::function<Json(const TableNow&)>& document, int status);
  bool takes_actions() const { return token_.is_given(); }

  const ServerState& state_;
  TokenSource& token_;
  ServerActions& actions_;
  const Clock& clock_;
  const StatusApiOptions options_;
  std::vector<Route> routes_;

  std::mutex acting_;  // one action at a time
  std::mutex mutex_;
  RateLimit wrong_tokens_, actions_taken_;  // protected by mutex_
};

// {"error": {"kind", "message", "remedy"}}
HttpAnswer ErrorAnswer(int status, const Status& error);
HttpAnswer ErrorAnswer(int status, std::string_view kind, const std::string& message, const std::string& remedy);
// By the error's kind.
int HttpStatusOf(const Status& error);

}  // namespace calve::serve
