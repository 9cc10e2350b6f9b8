#include "calve/serve/status_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "calve/schedule/testing_time.h"
#include "calve/serve/page_files.h"

namespace calve::serve {
namespace {

using ::testing::HasSubstr;

constexpr const char* kToken = "0123456789abcdef-token";

struct FakeActions : ServerActions {
  Status RunNow() override { return Note("run"); }
  Status Pause(const std::string& table) override { return Note("pause " + table); }
  Status Resume(const std::string& table) override { return Note("resume " + table); }
  Status Verify(const std::string& table, const VerifyJob& job) override {
    last_job = job;
    return Note("verify " + table);
  }
  Status Note(const std::string& what) {
    done.push_back(what);
    return answer;
  }
  std::vector<std::string> done;
  Status answer;
  VerifyJob last_job;
};

class StatusApiTest : public ::testing::Test {
 protected:
  StatusApiTest() {
    config::Config config;
    for (const char* name : {"trades", "a/b ü"}) {
      config::TableConfig table;
      table.name = table.source = name;
      table.target = catalog::ParseTableIdent("cold.t", "").ValueOrDie();
      config.tables.push_back(table);
    }
    state_.Configure(config, "every 15m", 0);
    Make({});
  }
  void Make(StatusApiOptions options, const std::string& token = kToken) {
    token_.emplace("", token);
    api_.emplace(state_, endpoints_, *token_, actions_, clock_, std::move(options));
  }

  HttpRequest Get(const std::string& path) const {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.headers = {{"host", "127.0.0.1:9765"}};
    request.client = "10.0.0.1";
    return request;
  }
  HttpRequest Post(const std::string& path, const std::string& body = "{}") const {
    HttpRequest request = Get(path);
    request.method = "POST";
    request.body = body;
    request.headers["content-type"] = "application/json; charset=utf-8";
    request.headers["authorization"] = std::string("Bearer ") + kToken;
    return request;
  }
  Json ErrorOf(const HttpAnswer& answer) const { return Json::parse(answer.body)["error"]; }

  schedule::FakeClock clock_{schedule::At("2026-11-24T03:00:00Z")};
  ServerState state_{clock_};
  OffloadMetrics metrics_{clock_};
  MaintenanceMetrics maintenance_;
  Endpoints endpoints_{metrics_, maintenance_};
  FakeActions actions_;
  std::optional<TokenSource> token_;
  std::optional<StatusApi> api_;
};

TEST_F(StatusApiTest, EveryRouteIsDescribedAndTheOtherWayAround) {
  std::set<std::string> routes, described;
  for (const Route& route : api_->routes()) routes.insert(route.method + " " + route.path);
  const Json document = Json::parse(OpenApiText());
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert((method == "get" ? "GET " : method == "post" ? "POST " : method + " ") + path);
    }
  }
  EXPECT_EQ(routes, described);
}

TEST_F(StatusApiTest, AnswersWhatIsAskedAndNothingElse) {
  EXPECT_EQ(api_->Answer(Get("/api/v1/status")).status, 200);
  EXPECT_EQ(api_->Answer(Get("/")).content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(api_->Answer(Get("/api/v1/events")).is_event_stream);
  EXPECT_EQ(Json::parse(api_->Answer(Get("/api/v1/tables/trades")).body)["name"], "trades");
  EXPECT_EQ(Json::parse(api_->Answer(Get("/api/v1/tables/a%2Fb%20%C3%BC/snapshots")).body)["table"], "a/b ü");
  const HttpAnswer unknown = api_->Answer(Get("/api/v1/tables/trade"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(ErrorOf(unknown)["remedy"].get<std::string>(), HasSubstr("trades"));
  for (const char* path :
       {"", "/x", "/api/v1", "/api/v1/tables/", "/api/v1/tables/a/b/c", "/api/v2/status", "//", "/page.css/"}) {
    EXPECT_EQ(api_->Answer(Get(path)).status, 404) << path;
  }
  HttpRequest wrong = Get("/api/v1/cycles");
  wrong.method = "DELETE";
  const HttpAnswer answer = api_->Answer(wrong);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers, (std::vector<std::pair<std::string, std::string>>{{"Allow", "GET, HEAD, POST"}}));
}

TEST_F(StatusApiTest, ThePageMayDoNothingButItsOwn) {
  const HttpAnswer page = api_->Answer(Get("/"));
  std::map<std::string, std::string> headers(page.headers.begin(), page.headers.end());
  EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("default-src 'none'; script-src 'self'; style-src 'self'"));
  EXPECT_THAT(headers["Content-Security-Policy"],
              HasSubstr("frame-ancestors 'none'; base-uri 'none'; form-action 'none'"));
  EXPECT_EQ(headers["X-Frame-Options"], "DENY");
  EXPECT_EQ(headers["Referrer-Policy"], "no-referrer");
  for (const char* never : {"<style", "style=", "onclick", "http://", "https://"}) {
    EXPECT_EQ(page.body.find(never), std::string::npos) << never;
  }
  HttpRequest again = Get("/");
  again.headers["if-none-match"] = headers["ETag"];
  EXPECT_EQ(api_->Answer(again).status, 304);
}

TEST_F(StatusApiTest, ActionsNeedTheToken) {
  EXPECT_EQ(api_->Answer(Post("/api/v1/cycles")).status, 202);
  EXPECT_EQ(api_->Answer(Post("/api/v1/tables/trades/pause", "")).status, 200);
  EXPECT_EQ(api_->Answer(Post("/api/v1/tables/trades/resume")).status, 200);
  EXPECT_EQ(api_->Answer(Post("/api/v1/tables/trades/verify", R"({"from": "2026-11-23", "to": null})")).status, 202);
  EXPECT_EQ(actions_.last_job.from, schedule::At("2026-11-23T00:00:00Z"));
  EXPECT_EQ(actions_.done, (std::vector<std::string>{"run", "pause trades", "resume trades", "verify trades"}));
  actions_.done.clear();
  HttpRequest without = Post("/api/v1/cycles");
  without.headers.erase("authorization");
  const HttpAnswer refused = api_->Answer(without);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers[0].first, "WWW-Authenticate");
  without.headers["authorization"] = "Bearer wrong";
  EXPECT_EQ(api_->Answer(without).status, 401);
  without.headers["authorization"] = std::string("Basic ") + kToken;
  EXPECT_EQ(api_->Answer(without).status, 401);
  Make({}, "");
  const HttpAnswer none = api_->Answer(Post("/api/v1/cycles"));
  EXPECT_EQ(none.status, 403);
  EXPECT_THAT(ErrorOf(none)["remedy"].get<std::string>(), HasSubstr("serve.token_file"));
  Make({}, "short");
  EXPECT_EQ(api_->Answer(Post("/api/v1/cycles")).status, 503);
  EXPECT_TRUE(actions_.done.empty());
}

TEST_F(StatusApiTest, NoOtherSitesPageMayAct) {
  for (const auto& [name, value, status] : {std::tuple("origin", "https://evil.example", 403),
                                            {"origin", "null", 403},
                                            {"sec-fetch-site", "cross-site", 403},
                                            {"content-type", "text/plain", 415},
                                            {"content-type", "application/x-www-form-urlencoded", 415},
                                            {"host", "evil.example", 403}}) {
    HttpRequest request = Post("/api/v1/cycles");
    request.headers[name] = value;
    EXPECT_EQ(api_->Answer(request).status, status) << name << ": " << value;
  }
  HttpRequest request = Post("/api/v1/cycles");
  request.headers.erase("host");
  EXPECT_EQ(api_->Answer(request).status, 400);
  request.headers = {{"host", "127.0.0.1:9765"}, {"authorization", std::string("Bearer ") + kToken}};
  EXPECT_EQ(api_->Answer(request).status, 415) << "no type at all";
  EXPECT_TRUE(actions_.done.empty());
  // DNS rebinding reads nothing either.
  HttpRequest rebound = Get("/api/v1/status");
  rebound.headers["host"] = "evil.example:9765";
  EXPECT_EQ(api_->Answer(rebound).status, 403);
  rebound.path = "/healthz";
  EXPECT_EQ(api_->Answer(rebound).status, 200) << "probes ask by any name";
}

TEST_F(StatusApiTest, ReadingNeedsTheTokenWhereTheRulesSaySo) {
  StatusApiOptions options;
  options.access.needs_token_to_read = true;
  Make(options);
  HttpRequest status = Get("/api/v1/status");
  EXPECT_EQ(api_->Answer(status).status, 401);
  EXPECT_EQ(api_->Answer(Get("/api/v1/events")).status, 401);
  for (const char* open : {"/", "/page.js", "/metrics", "/healthz", "/api/v1/openapi.json"}) {
    EXPECT_EQ(api_->Answer(Get(open)).status, 200) << open;
  }
  status.headers["authorization"] = std::string("Bearer ") + kToken;
  EXPECT_EQ(api_->Answer(status).status, 200);
  Make(options, "");
  EXPECT_EQ(api_->Answer(Get("/api/v1/status")).status, 403);
  // Where it needs none, a wrong one is still wrong.
  Make({});
  status.headers["authorization"] = "Bearer wrong";
  EXPECT_EQ(api_->Answer(status).status, 401);
}

TEST_F(StatusApiTest, GuessingAndActingAreLimitedByAddress) {
  HttpRequest guess = Post("/api/v1/cycles");
  guess.headers["authorization"] = "Bearer wrong";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(api_->Answer(guess).status, 401);
  const HttpAnswer limited = api_->Answer(guess);
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers[0], (std::pair<std::string, std::string>("Retry-After", "6")));
  EXPECT_EQ(api_->Answer(Post("/api/v1/cycles")).status, 429) << "nor is a right one told from a wrong one";
  EXPECT_EQ(api_->Answer(Get("/api/v1/status")).status, 200) << "reading goes on";
  HttpRequest other = Post("/api/v1/cycles");
  other.client = "10.0.0.2";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(api_->Answer(other).status, 202);
  EXPECT_EQ(api_->Answer(other).status, 429);
  clock_.Advance(6 * kMicrosPerSecond);
  EXPECT_EQ(api_->Answer(Post("/api/v1/cycles")).status, 202);
}

TEST_F(StatusApiTest, WhatGoesWrongHasItsStatus) {
  for (const auto& [kind, status] : {std::pair(ErrorKind::kAlreadyExists, 409),
                                     {ErrorKind::kRetry, 503},
                                     {ErrorKind::kStopped, 503},
                                     {ErrorKind::kConfig, 503},
                                     {ErrorKind::kNotFound, 404},
                                     {ErrorKind::kFailed, 500}}) {
    actions_.answer = MakeError(kind, "no", "do this");
    const HttpAnswer answer = api_->Answer(Post("/api/v1/tables/trades/verify"));
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(ErrorOf(answer)["remedy"], "do this");
  }
  actions_.answer = Status::OK();
  actions_.done.clear();
  for (const char* body : {"[]", "nonsense", "{\"from\": 7}", "{\"form\": \"2026-11-23\"}", "{\"from\": \"yesterday\"}",
                           R"({"from": "2026-11-24", "to": "2026-11-23"})"}) {
    EXPECT_EQ(api_->Answer(Post("/api/v1/tables/trades/verify", body)).status, 400) << body;
  }
  EXPECT_EQ(api_->Answer(Post("/api/v1/cycles", "{\"x\": 1}")).status, 400);
  EXPECT_EQ(api_->Answer(Post("/api/v1/tables/none/pause")).status, 404);
  EXPECT_TRUE(actions_.done.empty());
}

// Whatever comes: an answer, and never an action without the token.
TEST_F(StatusApiTest, RandomRequestsHarmNothing) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces = {"/api/v1/", "tables", "/",      "trades", "pause",  "%", "%2", "%2F",
                                           "{name}",   "..",     "cycles", "\xff",   "verify", " ", "?",  ""};
  const auto text = [&](size_t most) {
    std::string out;
    for (size_t i = random() % most; i > 0; --i) out += pieces[random() % pieces.size()];
    return out;
  };
  for (int i = 0; i < 20'000; ++i) {
    HttpRequest request;
    request.method = std::vector<std::string>{"GET", "POST", "PUT", "OPTIONS", "", "TRACE"}[random() % 6];
    request.path = random() % 2 ? "/" + text(6) : "/api/v1/tables/trades/" + text(3);
    request.body = text(4);
    request.client = text(2);
    if (random() % 3) request.headers["host"] = random() % 2 ? "localhost" : text(3);
    if (random() % 2) request.headers["content-type"] = random() % 2 ? "application/json" : text(3);
    if (random() % 2) request.headers["authorization"] = "Bearer " + text(3);
    if (random() % 2) request.headers["origin"] = text(3);
    const HttpAnswer answer = api_->Answer(request);
    EXPECT_TRUE((answer.status >= 200 && answer.status < 500) || answer.status == 503) << request.path;
  }
  EXPECT_TRUE(actions_.done.empty());
}

}  // namespace
}  // namespace calve::serve
