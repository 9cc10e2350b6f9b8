// Who calve is to a REST catalog: a bearer token, given or fetched with OAuth2's client credentials, and signatures.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/catalog/rest_settings.h"
#include "calve/http/http_client.h"
#include "calve/objectstore/aws_credentials.h"

namespace calve::catalog {

// Thread-safe. `clock` and `stop` must outlive it.
class RestAuth {
 public:
  RestAuth(const RestOptions& options, const Clock& clock, const StopToken& stop);

  // Proves who calve is to the server at `origin` with a header, and a signature where one is asked for: of the request
  // as it is then. `used_token` is what Renew wants to know. kConfig: the secret is wrong or missing; kRetry: nobody
  // gives tokens at the moment.
  Status Authorize(const RestSettings& settings, std::string_view origin, http::HttpRequest& request,
                   std::string& used_token);
  // The catalog refused this token. True where there is another way to try, by now or with the next Authorize.
  bool Renew(const std::string& refused_token);
  // The text with all secrets that are known made unreadable.
  std::string Redacted(std::string text) const;

 private:
  struct Token {
    std::string text;
    std::optional<TimestampMicros> renew_at;  // a little before it ends
  };
  Result<std::string> CurrentToken(const RestSettings& settings);
  Result<Token> FetchToken(const RestSettings& settings);
  Result<Token> AskForToken(const std::string& uri, const std::string& form);
  Status Sign(const RestSettings& settings, std::string_view origin, http::HttpRequest& request);
  Result<objectstore::AwsCredentialSource*> Keys();
  void Remember(const std::string& secret);

  // Constant after construction.
  const RestOptions options_;
  const Clock& clock_;
  const StopToken& stop_;

  std::mutex fetching_;  // held while a token is fetched, so that one is; taken before mutex_
  mutable std::mutex mutex_;
  std::optional<Token> token_;                              // protected by mutex_
  std::vector<std::string> secrets_;                        // protected by mutex_
  std::unique_ptr<objectstore::AwsCredentialSource> keys_;  // protected by mutex_ until it is made, then constant
};

// The endpoint for libcurl, with words for what may go wrong. kConfig where `uri` is none.
Result<http::HttpEndpoint> RestEndpointOf(const RestOptions& options, const std::string& uri, std::string* base_path);

}  // namespace calve::catalog
