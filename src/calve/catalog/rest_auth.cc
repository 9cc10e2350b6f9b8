#include "calve/catalog/rest_auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "calve/base/random.h"
#include "calve/base/small_file.h"
#include "calve/base/text.h"
#include "calve/catalog/rest_outcome.h"
#include "calve/http/http_url.h"
#include "calve/http/percent_encoding.h"

namespace calve::catalog {
namespace {

constexpr size_t kSecretsMax = 16;     // of tokens that were replaced long since
constexpr size_t kSecretBytesMin = 4;  // shorter ones would make any text unreadable

Result<std::string> ReadSecret(const Secret& secret, const char* what) {
  std::string text = secret.value;
  if (!secret.file.empty()) {
    ARROW_ASSIGN_OR_RAISE(text, ReadSmallFile(secret.file, fmt::format("{}: the file", what)));
  }
  const bool is_line = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!text.empty() && is_line) return text;
  return MakeError(ErrorKind::kConfig, fmt::format("{} is {}", what, text.empty() ? "empty" : "more than one line"),
                   "Put the secret alone on one line.");
}

std::string FormField(const char* name, const std::string& value) {
  return value.empty() ? "" : fmt::format("&{}={}", name, http::PercentEncoded(value));
}

// Services other than S3 sign the path as if what went out were a name that had to be encoded.
std::string EncodedOnceMore(std::string_view target) {
  const size_t question = std::min(target.find('?'), target.size());
  std::string out;
  for (const char c : target.substr(0, question)) {
    out += c == '/' ? "/" : http::PercentEncoded(std::string_view(&c, 1));
  }
  return out.append(target.substr(question));
}

// "X-Api-Key", "Cookie"; other headers name tenants and the like, which messages may.
bool HoldsSecret(std::string_view header) {
  const std::string name = Lower(header);
  const auto words = {"auth", "token", "key", "secret", "cookie", "password"};
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return name.find(w) != std::string::npos; });
}

// Renewed while it still holds: a request that is under way when it ends would be refused.
TimestampMicros RenewAt(TimestampMicros now, int64_t lifetime_seconds) {
  const int64_t lifetime = std::clamp<int64_t>(lifetime_seconds, 0, 10 * 365 * 86'400) * kMicrosPerSecond;
  return now + lifetime - std::min<int64_t>(lifetime / 5, 60 * kMicrosPerSecond);
}

}  // namespace

Result<http::HttpEndpoint> RestEndpointOf(const RestOptions& options, const std::string& uri, std::string* base_path) {
  ARROW_ASSIGN_OR_RAISE(http::HttpUrl url, http::ParseHttpUrl(uri, "the catalog's URL", kRestSecretsRemedy));
  if (base_path) *base_path = url.path;
  http::HttpEndpoint endpoint;
  endpoint.origin = url.origin;
  endpoint.is_loopback = url.is_loopback;
  endpoint.ca_file = options.ca_file;
  endpoint.client_cert_file = options.cert_file;
  endpoint.client_key_file = options.key_file;
  endpoint.connect_timeout_ms = options.connect_timeout_ms;
  endpoint.idle_timeout_ms = options.idle_timeout_ms;
  endpoint.remedies = {
      .certificate =
          "Name the authority that signed the catalog's certificate (ca_file, --catalog-ca-file), and a "
          "certificate and key of calve's where the catalog wants them (cert_file, key_file).",
      .resolve = "Check the host's name in the catalog's URL.",
      .tls = "Check that the catalog speaks TLS on this port: http:// or https://?",
      .connect = "Check that the catalog is running and that its URL names the right host and port.",
      .not_http = "Check the port in the catalog's URL.",
  };
  return endpoint;
}

RestAuth::RestAuth(const RestOptions& options, const Clock& clock, const StopToken& stop)
    : options_(options), clock_(clock), stop_(stop) {
  Remember(options.token.value);
  Remember(options.credential.value);
  for (const auto& [name, value] : options.headers) {
    if (HoldsSecret(name)) Remember(value);
  }
}

Status RestAuth::Authorize(const RestSettings& settings, std::string_view origin, http::HttpRequest& request,
                           std::string& used_token) {
  ARROW_ASSIGN_OR_RAISE(used_token, CurrentToken(settings));
  const bool is_signed = !settings.signing_region.empty();
  if (!used_token.empty()) {
    // The signature takes the header's place; who reads the other one is the catalog behind it.
    request.headers.push_back(fmt::format("{}Authorization: Bearer {}", is_signed ? "Original-" : "", used_token));
  }
  return is_signed ? Sign(settings, origin, request) : Status::OK();
}

Status RestAuth::Sign(const RestSettings& settings, std::string_view origin, http::HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(objectstore::AwsCredentialSource * source, Keys());
  auto credentials = source->Get();
  if (!credentials.ok()) return WithContext(credentials.status(), "requests to the catalog are to be signed");
  Remember(credentials->keys.secret_access_key);
  Remember(credentials->keys.session_token);
  const std::string target = EncodedOnceMore(request.target);
  for (std::string& header :
       http::SigV4Headers({request.method, origin, target, request.headers, http::Sha256Hex(request.body)},
                          credentials->keys, settings.signing_region, settings.signing_service, clock_.Now())) {
    request.headers.push_back(std::move(header));
  }
  return Status::OK();
}

Result<objectstore::AwsCredentialSource*> RestAuth::Keys() {
  std::lock_guard lock(mutex_);
  if (!keys_) {
    const objectstore::StoreOptions options;
    const objectstore::Environment environment = objectstore::ProcessEnvironment();
    ARROW_ASSIGN_OR_RAISE(const objectstore::AwsPlace place, objectstore::ResolveAwsPlace(options, environment));
    keys_ = std::make_unique<objectstore::AwsCredentialChain>(options, place, environment, stop_, clock_);
  }
  return keys_.get();
}

Result<std::string> RestAuth::CurrentToken(const RestSettings& settings) {
  if (!options_.token.is_given() && !options_.credential.is_given()) return settings.token;
  auto known = [&]() -> std::string {
    std::lock_guard lock(mutex_);
    const bool holds = token_ && (!token_->renew_at || clock_.Now() < *token_->renew_at);
    return holds ? token_->text : "";
  };
  if (std::string token = known(); !token.empty()) return token;
  std::lock_guard fetching(fetching_);
  if (std::string token = known(); !token.empty()) return token;  // another thread's
  ARROW_ASSIGN_OR_RAISE(Token fetched, FetchToken(settings));
  Remember(fetched.text);
  std::lock_guard lock(mutex_);
  token_ = fetched;
  return fetched.text;
}

bool RestAuth::Renew(const std::string& refused_token) {
  const bool may_change = options_.credential.is_given() || !options_.token.file.empty();
  if (!may_change || refused_token.empty()) return false;
  std::lock_guard lock(mutex_);
  if (token_ && token_->text == refused_token) token_.reset();
  return true;
}

Result<RestAuth::Token> RestAuth::FetchToken(const RestSettings& settings) {
  if (options_.token.is_given()) {
    ARROW_ASSIGN_OR_RAISE(std::string token, ReadSecret(options_.token, "the catalog's token"));
    return Token{std::move(token), std::nullopt};
  }
  ARROW_ASSIGN_OR_RAISE(const std::string credential, ReadSecret(options_.credential, "the catalog's credential"));
  Remember(credential);
  const size_t colon = credential.find(':');
  const std::string id = colon == std::string::npos ? "" : credential.substr(0, colon);
  const std::string secret = colon == std::string::npos ? credential : credential.substr(colon + 1);
  Remember(secret);
  const std::string form = "grant_type=client_credentials" + FormField("client_id", id) +
                           FormField("client_secret", secret) + FormField("scope", settings.scope) +
                           FormField("audience", settings.audience) + FormField("resource", settings.resource);
  const std::string& given = settings.oauth2_server_uri;
  std::string base = settings.uri;
  while (base.ends_with('/')) base.pop_back();
  const std::string relative =
      given.empty() ? "v1/oauth/tokens" : given.substr(std::min(given.find_first_not_of('/'), given.size()));
  return AskForToken(http::IsHttpUrl(given) ? given : base + "/" + relative, form);
}

Result<RestAuth::Token> RestAuth::AskForToken(const std::string& uri, const std::string& form) {
  std::string path;
  ARROW_ASSIGN_OR_RAISE(http::HttpEndpoint endpoint, RestEndpointOf(options_, uri, &path));
  http::HttpClient client(endpoint, stop_, 1 << 20);
  http::HttpRequest request;
  request.target = path.empty() ? "/" : path;
  request.headers = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json"};
  request.body = form;
  constexpr const char* kWhat = "asking for a token";
  const auto began = std::chrono::steady_clock::now();
  for (int attempt = 1;; ++attempt) {
    const TimestampMicros asked_at = clock_.Now();
    auto response = client.Call(request);
    Status failed;
    if (!response.ok()) {
      failed = WithContext(response.status(), kWhat);
    } else if (response->status / 100 == 2) {
      auto token = ParseOAuthToken(response->body);
      if (!token.ok()) {
        return WithKind(WithContext(token.status(), fmt::format("{} at {}", kWhat, endpoint.origin)),
                        ErrorKind::kConfig, "Check oauth2_server_uri: what answers there gives no OAuth2 tokens.");
      }
      std::optional<TimestampMicros> renew_at;
      if (token->expires_in_seconds) renew_at = RenewAt(asked_at, *token->expires_in_seconds);
      return Token{std::move(token->token), renew_at};
    } else {
      response->body = Redacted(std::move(response->body));
      failed = RestAnswerError(*response, /*is_change=*/false, kWhat, endpoint.origin);
    }
    if (KindOf(failed) != ErrorKind::kRetry) {
      if (KindOf(failed) == ErrorKind::kStopped) return failed;
      return WithKind(
          failed, ErrorKind::kConfig,
          "Check the credential (CALVE_CATALOG_CREDENTIAL or credential_file, as id:secret), the scope, and "
          "oauth2_server_uri: not every catalog gives tokens itself.");
    }
    const auto elapsed = std::chrono::steady_clock::now() - began;
    const int64_t elapsed_ms = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
    int64_t wait_ms = options_.retry.WaitMs(attempt + 1, RandomUnit());
    if (response.ok()) wait_ms = std::max(wait_ms, http::RetryAfterMs(*response, clock_.Now() / 1000, 0));
    if (!options_.retry.MayTry(attempt + 1, elapsed_ms + wait_ms)) return failed;
    ARROW_RETURN_NOT_OK(client.Wait(wait_ms));
  }
}

void RestAuth::Remember(const std::string& secret) {
  if (secret.size() < kSecretBytesMin) return;
  std::lock_guard lock(mutex_);
  if (std::find(secrets_.begin(), secrets_.end(), secret) != secrets_.end()) return;
  if (secrets_.size() >= kSecretsMax) secrets_.erase(secrets_.begin() + kSecretsMax / 2);
  secrets_.push_back(secret);
}

std::string RestAuth::Redacted(std::string text) const {
  std::lock_guard lock(mutex_);
  // Longest first: one may be a part of another.
  std::vector<std::string> secrets = secrets_;
  std::sort(secrets.begin(), secrets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (const std::string& secret : secrets) {
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "***");
      at += 3;
    }
  }
  return text;
}

}  // namespace calve::catalog
