// A server of Iceberg's REST protocol over another catalog, for tests: right by default, wrong as it is told.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/http/percent_encoding.h"
#include "calve/http/testing_http_server.h"
#include "calve/storage/fault_injection.h"

namespace calve::catalog {

// What happens to one request.
struct RestFault {
  enum class Kind {
    kNone,
    kLostRequest,  // the connection ends, nothing is done
    kLostAnswer,   // it is done, then the connection ends
    kCutAnswer,    // it is done, half of the answer comes
    kAnswerOnly,   // `status`, `headers` and `body` are answered, nothing is done
    kAnswerAfter,  // it is done, and the same is answered
    kHeld,         // as kAnswerOnly; it is done when the test calls LetArrive()
    kTwice,        // it is done twice, as by a gateway that tries again; the second answer comes
  };
  Kind kind = Kind::kNone;
  int status = 500;
  std::string body = {};
  std::string headers = {};  // "Retry-After: 1\r\n"
};

// As another engine's server: what real ones differ in.
struct RestServerOptions {
  std::string prefix;             // in the configuration's overrides; may be empty
  std::string separator = "%1F";  // as it is told to clients, where it is another one
  bool lists_endpoints = true;
  bool offers_transactions = false;
  bool takes_idempotency_keys = false;
  bool shows_only_current_snapshot = false;                          // without its parent, as Nessie does
  int page_size = 0;                                                 // of lists; 0: one page
  std::string warehouse;                                             // the only one that it knows; empty: any
  std::map<std::string, std::string> defaults = {}, overrides = {};  // of the configuration
  std::map<std::string, std::string> table_config = {};              // of every table
  std::string storage_credentials = {};                              // JSON, of every table
  std::set<std::string> views = {};                                  // their names, in any namespace
  // OAuth2's client credentials are wanted: "id:secret". Tokens hold so long, on `now_ms` of the test.
  std::string credential = {};
  int64_t token_lifetime_seconds = 3600;
};

class FakeRestServer {
 public:
  // `open` makes a catalog on what is there now, for each request.
  using OpenInner = std::function<std::unique_ptr<Catalog>()>;
  explicit FakeRestServer(OpenInner open, RestServerOptions options = {});

  std::string url() const { return server_->url(""); }
  std::vector<http::SeenRequest> seen() const { return server_->seen(); }
  void Forget() { server_->remembers = false; }  // what it sees from now on
  // Those of a method whose target ends so or has it before the query.
  std::vector<http::SeenRequest> Seen(const std::string& method, const std::string& target_end) const;

  // Called for each request but those for tokens, on its connection's thread.
  void SetFaults(std::function<RestFault(const http::SeenRequest&)> faults);
  // Of the next requests that change something (POST, DELETE), in order.
  void FailChanges(std::vector<RestFault> faults);
  // What was held is done now.
  void LetArrive();
  void ExpireTokens();
  int tokens_given() const { return tokens_given_; }

 private:
  struct Answer {
    int status = 200;
    std::string body;
    std::string headers;
  };
  void Handle(const http::SeenRequest& request, http::HttpAnswer& answer);
  RestFault NextFault(const http::SeenRequest& request);
  Answer Do(const http::SeenRequest& request);
  Answer DoOnce(const http::SeenRequest& request);  // with regard to Idempotency-Key
  std::optional<Answer> CheckAccess(const http::SeenRequest& request);
  Answer GiveToken(const http::SeenRequest& request);
  Answer Config(const http::SeenRequest& request);
  Answer Namespaces(const http::SeenRequest& request);
  Answer Tables(const http::SeenRequest& request, const std::vector<std::string>& levels);
  Answer Table(const http::SeenRequest& request, const TableIdent& ident);
  Answer Register(const http::SeenRequest& request, const std::vector<std::string>& levels);
  Answer Transaction(const http::SeenRequest& request);
  Answer Credentials() const;
  Answer TableAnswer(const Result<LoadedTable>& table, bool is_create) const;
  bool HasNamespace(Catalog& inner, const std::vector<std::string>& levels);
  static Answer Failure(const Status& status, bool is_create);
  static Answer Refusal(int status, const std::string& type, const std::string& message);

  const OpenInner open_;
  const RestServerOptions options_;
  std::atomic<int> tokens_given_{0};

  std::mutex committing_;  // one change of tables at a time, so that several tables change in one step

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::function<RestFault(const http::SeenRequest&)> faults_;
  std::vector<RestFault> change_faults_;
  std::vector<http::SeenRequest> held_;
  std::set<std::vector<std::string>> namespaces_;
  std::map<std::string, Answer> finished_;  // by Idempotency-Key
  std::set<std::string> tokens_;

  std::unique_ptr<http::TestingHttpServer> server_;  // last: its threads use the rest
};

}  // namespace calve::catalog
