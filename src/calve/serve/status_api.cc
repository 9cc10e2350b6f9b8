#include "calve/serve/status_api.h"

#include <algorithm>

#include "calve/http/percent_encoding.h"
#include "calve/serve/page_files.h"
#include "calve/source/nearest_name.h"

namespace calve::serve {
namespace {

constexpr const char* kJsonType = "application/json";
constexpr std::string_view kNamePlace = "{name}";
// Nothing but what this server sends, nothing inline, and in no frame.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

HttpAnswer JsonAnswer(int status, const Json& json) { return {status, DumpJson(json), kJsonType}; }

// What stands in the place of {name}; nullopt where the path is another one.
std::optional<std::string> NameIn(std::string_view pattern, std::string_view path) {
  const size_t at = pattern.find(kNamePlace);
  if (at == std::string_view::npos) return pattern == path ? std::optional(std::string()) : std::nullopt;
  const std::string_view before = pattern.substr(0, at), after = pattern.substr(at + kNamePlace.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view name = path.substr(before.size(), path.size() - before.size() - after.size());
  if (name.find('/') != std::string_view::npos) return std::nullopt;
  return http::PercentDecoded(name);
}

std::string SecondsText(int64_t micros) { return std::to_string((micros + kMicrosPerSecond - 1) / kMicrosPerSecond); }

HttpAnswer TooOften(const std::string& what, int64_t wait_micros) {
  HttpAnswer answer = ErrorAnswer(429, "too-many", what, fmt::format("Wait {} s.", SecondsText(wait_micros)));
  answer.headers.emplace_back("Retry-After", SecondsText(wait_micros));
  return answer;
}

HttpAnswer AskForToken(const std::string& message) {
  HttpAnswer answer =
      ErrorAnswer(401, "token", message, "Give the token of serve.token_file: `Authorization: Bearer TOKEN`.");
  answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"calve\"");
  return answer;
}

// {} or nothing, or {"from", "to"}.
Result<VerifyJob> VerifyJobOf(const std::string& body) {
  VerifyJob job;
  if (body.empty()) return job;
  const auto wrong = [](const std::string& message) {
    return MakeError(ErrorKind::kConfig, message,
                     R"(Send {} or {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"}.)");
  };
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong("the body is no JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "from" && key != "to") return wrong("only from and to may be given");
    if (value.is_null()) continue;
    if (!value.is_string()) return wrong(fmt::format("{} is no time", key));
    const auto time = ParseTimestamp(value.get<std::string>());
    if (!time.ok()) return wrong(fmt::format("{} is no time", key));
    (key == "from" ? job.from : job.to) = *time;
  }
  if (job.from && job.to && *job.from >= *job.to) return wrong("from is not before to");
  return job;
}

bool IsEmptyBody(const std::string& body) {
  if (body.empty()) return true;
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.empty();
}

}  // namespace

HttpAnswer ErrorAnswer(int status, std::string_view kind, const std::string& message, const std::string& remedy) {
  return JsonAnswer(status, {{"error", {{"kind", kind}, {"message", message}, {"remedy", remedy}}}});
}

HttpAnswer ErrorAnswer(int status, const Status& error) {
  return JsonAnswer(status, {{"error", ErrorDocument(error)}});
}

int HttpStatusOf(const Status& error) {
  switch (KindOf(error)) {
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kRetry:
    case ErrorKind::kStopped:
    case ErrorKind::kConfig:
      return 503;
    default:
      return 500;
  }
}

StatusApi::StatusApi(const ServerState& state, const Endpoints& endpoints, TokenSource& token, ServerActions& actions,
                     const Clock& clock, StatusApiOptions options)
    : state_(state),
      token_(token),
      actions_(actions),
      clock_(clock),
      options_(std::move(options)),
      wrong_tokens_(options_.wrong_tokens, options_.wrong_token_micros),
      actions_taken_(options_.actions, options_.action_micros) {
  for (auto& [path, handler] : endpoints.Handlers()) {
    routes_.push_back({"GET", path, RouteAccess::kMachine,
                       [answer = handler](const HttpRequest&, const std::string&) { return answer(); }});
  }
  for (const PageFile& file : PageFiles()) {
    routes_.push_back(
        {"GET", std::string(file.path), RouteAccess::kOpen, [&file](const HttpRequest& request, const std::string&) {
           HttpAnswer answer{200, std::string(file.text), std::string(file.content_type)};
           answer.headers = {{"ETag", std::string(file.etag)},
                             {"Cache-Control", "no-cache"},
                             {"Content-Security-Policy", kContentPolicy},
                             {"Referrer-Policy", "no-referrer"},
                             {"X-Frame-Options", "DENY"},
                             {"Cross-Origin-Resource-Policy", "same-origin"}};
           const std::string* known = request.Header("if-none-match");
           if (known && known->find(file.etag) != std::string::npos) answer.status = 304;
           return answer;
         }});
  }
  AddReading();
  AddActing();
}

void StatusApi::AddReading() {
  const auto read = [this](std::string path, std::function<HttpAnswer(const std::string& name)> answer) {
    routes_.push_back(
        {"GET", std::move(path), RouteAccess::kRead,
         [answer = std::move(answer)](const HttpRequest&, const std::string& name) { return answer(name); }});
  };
  read("/api/v1/status", [this](const std::string&) {
    return JsonAnswer(200, StatusDocument(state_.Look(), takes_actions(), clock_.Now()));
  });
  read("/api/v1/events", [](const std::string&) {
    HttpAnswer answer;
    answer.is_event_stream = true;
    answer.content_type = "text/event-stream";
    return answer;
  });
  read("/api/v1/cycles", [this](const std::string&) {
    Json json = {{"cycles", Json::array()}};
    for (const PastCycle& cycle : state_.Look().cycles) json["cycles"].push_back(CycleDocument(cycle));
    return JsonAnswer(200, json);
  });
  read("/api/v1/tables", [this](const std::string&) {
    const ServerNow now = state_.Look();
    Json json = {{"tables", Json::array()}};
    for (const TableNow& table : now.tables) {
      json["tables"].push_back(TableDocument(table, now.interval_micros, clock_.Now()));
    }
    return JsonAnswer(200, json);
  });
  read("/api/v1/tables/{name}", [this](const std::string& name) {
    const int64_t interval = state_.interval_micros();
    return TableOrError(
        name, [&](const TableNow& table) { return TableDocument(table, interval, clock_.Now()); }, 200);
  });
  read("/api/v1/tables/{name}/snapshots",
       [this](const std::string& name) { return TableOrError(name, SnapshotsDocument, 200); });
}

void StatusApi::AddActing() {
  const auto act = [this](std::string path, std::function<Status(const std::string&, const HttpRequest&)> action) {
    routes_.push_back(
        {"POST", std::move(path), RouteAccess::kAct,
         [this, action = std::move(action)](const HttpRequest& request, const std::string& name) {
           const int64_t interval = state_.interval_micros();
           const auto document = [&](const TableNow& table) { return TableDocument(table, interval, clock_.Now()); };
           if (!state_.TargetOf(name)) return TableOrError(name, document, 200);
           return Act([&] { return action(name, request); },
                      [&] { return TableOrError(name, document, request.path.ends_with("/verify") ? 202 : 200); });
         }});
  };
  const auto without_body = [](const HttpRequest& request) {
    return IsEmptyBody(request.body) ? Status::OK()
                                     : MakeError(ErrorKind::kValue, "the body is not {}", "Send {} or nothing.");
  };
  routes_.push_back(
      {"POST", "/api/v1/cycles", RouteAccess::kAct,
       [this, without_body](const HttpRequest& request, const std::string&) {
         bool is_running = false;
         return Act(
             [&]() -> Status {
               ARROW_RETURN_NOT_OK(without_body(request));
               is_running = state_.is_cycle_running();
               return actions_.RunNow();
             },
             [&] {
               return JsonAnswer(202, {{"requested", true}, {"begins", is_running ? "when-this-one-ends" : "now"}});
             });
       }});
  act("/api/v1/tables/{name}/pause", [this, without_body](const std::string& name, const HttpRequest& request) {
    ARROW_RETURN_NOT_OK(without_body(request));
    return actions_.Pause(name);
  });
  act("/api/v1/tables/{name}/resume", [this, without_body](const std::string& name, const HttpRequest& request) {
    ARROW_RETURN_NOT_OK(without_body(request));
    return actions_.Resume(name);
  });
  act("/api/v1/tables/{name}/verify", [this](const std::string& name, const HttpRequest& request) -> Status {
    auto job = VerifyJobOf(request.body);
    if (!job.ok()) return WithKind(job.status(), ErrorKind::kValue, RemedyOf(job.status()));
    job->asked = clock_.Now();
    return actions_.Verify(name, *job);
  });
}

HttpAnswer StatusApi::TableOrError(const std::string& name, const std::function<Json(const TableNow&)>& document,
                                   int status) {
  if (const auto table = state_.LookAt(name)) return JsonAnswer(status, document(*table));
  std::vector<std::string> names;
  for (const TableNow& table : state_.Look().tables) names.push_back(table.table.name);
  const std::string nearest = source::NearestName(name, names);
  return ErrorAnswer(404, "not-found", fmt::format("the configuration has no table '{}'", name),
                     nearest.empty() ? "GET /api/v1/tables lists them." : fmt::format("Did you mean {}?", nearest));
}

HttpAnswer StatusApi::Act(const std::function<Status()>& action, const std::function<HttpAnswer()>& done) {
  Status status;
  {
    std::unique_lock lock(acting_, std::try_to_lock);
    if (!lock) return TooOften("another action is being taken", kMicrosPerSecond);
    status = action();
  }
  if (status.ok()) return done();
  // What the request itself says is wrong.
  if (KindOf(status) == ErrorKind::kValue) return ErrorAnswer(400, status);
  HttpAnswer answer = ErrorAnswer(HttpStatusOf(status), status);
  if (answer.status == 503) answer.headers.emplace_back("Retry-After", "10");
  return answer;
}

std::optional<HttpAnswer> StatusApi::RefuseToken(const HttpRequest& request, bool is_needed) {
  const std::optional<std::string> given = BearerToken(request);
  if (!given && !is_needed) return std::nullopt;
  const auto token = token_.Read();
  if (!token.ok()) return ErrorAnswer(503, token.status());
  if (token->empty()) {
    if (!is_needed) return std::nullopt;  // there is none to compare with, and none is asked for
    return ErrorAnswer(403, "no-token", "no token is configured, and this is not allowed without one",
                       "Name a file with one as serve.token_file (openssl rand -hex 32 makes one), or set "
                       "CALVE_SERVE_TOKEN, and start calve serve anew.");
  }
  if (!given) return AskForToken("this needs the token");
  const TimestampMicros now = clock_.Now();
  std::lock_guard lock(mutex_);
  if (const auto wait = wrong_tokens_.Wait(request.client, now)) {
    return TooOften("too many wrong tokens came from this address", *wait);
  }
  if (IsSameToken(*given, *token)) return std::nullopt;
  wrong_tokens_.Take(request.client, now);
  return AskForToken("the token is wrong");
}

std::optional<HttpAnswer> StatusApi::RefuseAction(const HttpRequest& request) {
  if (!IsOwnOrigin(request, options_.access)) {
    return ErrorAnswer(403, "origin", "the request comes from another site's page",
                       "Use calve's own page, or a program that sends no Origin; behind a proxy name its host under "
                       "serve.host_names.");
  }
  const std::string* type = request.Header("content-type");
  std::string kind = type ? type->substr(0, type->find(';')) : "";
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
  kind.erase(kind.find_last_not_of(" \t") + 1);
  if (kind != kJsonType) {
    return ErrorAnswer(415, "content-type", "actions are sent as application/json",
                       "Send `Content-Type: application/json`, with {} as the body.");
  }
  if (auto refused = RefuseToken(request, /*is_needed=*/true)) return refused;
  const TimestampMicros now = clock_.Now();
  std::lock_guard lock(mutex_);
  if (const auto wait = actions_taken_.Wait(request.client, now)) {
    return TooOften("too many actions came from this address", *wait);
  }
  actions_taken_.Take(request.client, now);
  return std::nullopt;
}

std::optional<HttpAnswer> StatusApi::Refuse(const HttpRequest& request, RouteAccess access) {
  if (access == RouteAccess::kMachine) return std::nullopt;
  const std::string* host = request.Header("host");
  if (!host || !IsKnownHost(*host, options_.access)) {
    return ErrorAnswer(host ? 403 : 400, "host",
                       host ? "this server does not know itself by the name in Host" : "the request names no Host",
                       "Ask by address or as localhost, or name the host under serve.host_names.");
  }
  if (access == RouteAccess::kRead) return RefuseToken(request, options_.access.needs_token_to_read);
  if (access == RouteAccess::kAct) return RefuseAction(request);
  return std::nullopt;
}

HttpAnswer StatusApi::Answer(const HttpRequest& request) {
  std::string allowed;
  for (const Route& route : routes_) {
    const auto name = NameIn(route.path, request.path);
    if (!name) continue;
    if (route.method != request.method) {
      allowed += (allowed.empty() ? "" : ", ") + (route.method == "GET" ? std::string("GET, HEAD") : route.method);
      continue;
    }
    if (auto refused = Refuse(request, route.access)) return *refused;
    return route.answer(request, *name);
  }
  if (!allowed.empty()) {
    HttpAnswer answer = ErrorAnswer(405, "method", "this is not done with " + request.method, "Use " + allowed + ".");
    answer.headers.emplace_back("Allow", allowed);
    return answer;
  }
  return ErrorAnswer(404, "not-found", "there is nothing here", "GET / is the page, /api/v1/openapi.json the API.");
}

}  // namespace calve::serve
