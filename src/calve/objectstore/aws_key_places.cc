#include "calve/objectstore/aws_key_places.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/base/small_file.h"
#include "calve/http/percent_encoding.h"
#include "calve/objectstore/xml.h"

namespace calve::objectstore {
namespace {

using Json = nlohmann::json;

constexpr const char* kContainerHost = "http://169.254.170.2";
constexpr const char* kInstanceHost = "http://169.254.169.254";
constexpr const char* kInstancePath = "/latest/meta-data/iam/security-credentials/";

bool IsTransient(int status) { return status == 429 || status >= 500; }

// Up to where the path begins.
size_t OriginSize(const std::string& url) {
  const size_t scheme = url.find("://");
  return scheme == std::string::npos ? 0 : std::min(url.find_first_of("/?", scheme + 3), url.size());
}

// On the machine itself or on the link, where no proxy stands and no TLS is spoken.
bool IsLocalHost(const std::string& url) {
  for (const char* host : {"http://127.", "http://localhost", "http://[::1]", "http://169.254.",
                           "http://[fd00:ec2:", "http://metadata.google.internal"}) {
    if (url.starts_with(host)) return true;
  }
  return false;
}

std::string Form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!value.empty()) out += (out.empty() ? "" : "&") + name + "=" + http::PercentEncoded(value);
  }
  return out;
}

Result<int64_t> ExpiryMs(const std::string& text) {
  if (text.empty()) return 0;
  ARROW_ASSIGN_OR_RAISE(const TimestampMicros at, ParseTimestamp(text));
  return at / 1000;
}

Status Refused(const std::string& service, const http::HttpResponse& response, const std::string& why) {
  return MakeError(IsTransient(response.status) ? ErrorKind::kRetry : ErrorKind::kConfig,
                   fmt::format("{} gave no credentials: {} {}", service, response.status, why),
                   "Check the role and that this machine, or its service account, may take it on.");
}

// Of <AssumeRole…Response><AssumeRole…Result><Credentials>.
Result<AwsCredentials> KeysFromSts(const http::HttpResponse& response, const std::string& endpoint) {
  const std::string service = "the token service " + endpoint;
  auto root = ParseXml(response.body);
  if (response.status != 200) {
    const XmlElement* error = root.ok() ? root->Child("Error") : nullptr;
    return Refused(service, response, error ? error->ChildText("Code") + ": " + error->ChildText("Message") : "");
  }
  ARROW_RETURN_NOT_OK(WithContext(root.status(), service));
  for (const XmlElement& result : root->children) {
    const XmlElement* found = result.Child("Credentials");
    if (!found) continue;
    AwsCredentials credentials;
    credentials.keys = {found->ChildText("AccessKeyId"), found->ChildText("SecretAccessKey"),
                        found->ChildText("SessionToken")};
    ARROW_ASSIGN_OR_RAISE(credentials.expires_at_ms, ExpiryMs(found->ChildText("Expiration")));
    if (!credentials.keys.access_key_id.empty()) return credentials;
  }
  return MakeError(ErrorKind::kFailed, service + " answered without credentials");
}

std::string SessionName(const AssumedRole& role) {
  return role.session_name.empty() ? "calve-" + RandomUuid().substr(0, 8) : role.session_name;
}

KeyCall StsCall(const StsPlace& sts, std::string body) {
  KeyCall call;
  call.url = sts.endpoint + "/";
  call.method = "POST";
  call.headers = {"Content-Type: application/x-www-form-urlencoded"};
  call.body = std::move(body);
  call.ca_file = sts.ca_file;
  call.connect_timeout_ms = 10'000;
  call.idle_timeout_ms = 30'000;
  call.service = "the token service";
  return call;
}

}  // namespace

Result<http::HttpResponse> CallForKeys(const KeyCall& call, const StopToken& stop) {
  const size_t origin_size = OriginSize(call.url);
  http::HttpEndpoint endpoint;
  endpoint.origin = call.url.substr(0, origin_size);
  endpoint.is_loopback = IsLocalHost(call.url);
  endpoint.ca_file = call.ca_file;
  endpoint.connect_timeout_ms = call.connect_timeout_ms;
  endpoint.idle_timeout_ms = call.idle_timeout_ms;
  endpoint.remedies.certificate = "Name its authority with --store-ca-file (store: ca_file) or AWS_CA_BUNDLE.";
  endpoint.remedies.connect = "Check that this machine can reach " + call.service + ".";
  http::HttpClient client(endpoint, stop, 1 << 20);
  http::HttpRequest request;
  request.method = call.method;
  request.target = origin_size < call.url.size() ? call.url.substr(origin_size) : "/";
  request.headers = call.headers;
  request.body = call.body;
  const RetryPolicy policy{3, 100, 1000, 20'000};
  for (int attempt = 1;; ++attempt) {
    auto response = client.Call(request);
    const bool transient =
        response.ok() ? IsTransient(response->status) : KindOf(response.status()) == ErrorKind::kRetry;
    if (!transient || attempt == policy.attempts_max) {
      return response.ok() ? response : WithContext(response.status(), call.service);
    }
    ARROW_RETURN_NOT_OK(client.Wait(policy.WaitMs(attempt + 1, RandomUnit())));
  }
}

Result<AwsCredentials> KeysFromJson(const std::string& text, const std::string& service) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  auto field = [&](const char* name) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  AwsCredentials credentials;
  credentials.keys = {field("AccessKeyId"), field("SecretAccessKey"), field("Token")};
  if (credentials.keys.access_key_id.empty() || credentials.keys.secret_access_key.empty()) {
    return MakeError(ErrorKind::kFailed, service + " answered without credentials");
  }
  ARROW_ASSIGN_OR_RAISE(credentials.expires_at_ms, ExpiryMs(field("Expiration")));
  return credentials;
}

StsPlace StsOf(const AwsPlace& place, const Environment& environment) {
  StsPlace sts;
  sts.region = place.region;
  sts.ca_file = place.ca_file;
  sts.endpoint = environment("AWS_ENDPOINT_URL_STS");
  while (sts.endpoint.ends_with('/')) sts.endpoint.pop_back();
  if (sts.endpoint.empty()) {
    sts.endpoint =
        fmt::format("https://sts.{}.amazonaws.com{}", place.region, place.region.starts_with("cn-") ? ".cn" : "");
  }
  return sts;
}

Result<AwsCredentials> KeysOfWebIdentity(const StsPlace& sts, const AssumedRole& role, const std::string& token_file,
                                         const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(const std::string token, ReadSmallFile(token_file, "the web identity's token file"));
  const KeyCall call = StsCall(sts, Form({{"Action", "AssumeRoleWithWebIdentity"},
                                          {"Version", "2011-06-15"},
                                          {"RoleArn", role.arn},
                                          {"RoleSessionName", SessionName(role)},
                                          {"WebIdentityToken", token}}));
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
  return KeysFromSts(response, sts.endpoint);
}

Result<AwsCredentials> KeysOfRole(const StsPlace& sts, const AssumedRole& role, const http::AwsKeys& keys,
                                  const StopToken& stop, const Clock& clock) {
  KeyCall call = StsCall(sts, Form({{"Action", "AssumeRole"},
                                    {"Version", "2011-06-15"},
                                    {"RoleArn", role.arn},
                                    {"RoleSessionName", SessionName(role)},
                                    {"ExternalId", role.external_id}}));
  const auto signature = http::SigV4Headers({call.method, sts.endpoint, "/", call.headers, http::Sha256Hex(call.body)},
                                            keys, sts.region, "sts", clock.Now());
  call.headers.insert(call.headers.end(), signature.begin(), signature.end());
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
  return KeysFromSts(response, sts.endpoint);
}

Result<std::optional<AwsCredentials>> KeysOfContainer(const Environment& environment, const StopToken& stop) {
  const std::string relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  KeyCall call;
  call.url = relative.empty() ? environment("AWS_CONTAINER_CREDENTIALS_FULL_URI") : kContainerHost + relative;
  call.service = "the container's credential service";
  if (call.url.empty()) return std::nullopt;
  // The token must not go to a stranger in the clear.
  if (!IsLocalHost(call.url) && !call.url.starts_with("https://")) {
    return MakeError(ErrorKind::kConfig,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor on this machine or link",
                     "Use https://, or a loopback address.");
  }
  std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    ARROW_ASSIGN_OR_RAISE(token, ReadSmallFile(file, "the container's token file"));
  }
  if (!token.empty()) call.headers = {"Authorization: " + token};
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
  if (response.status != 200) return Refused(call.service, response, "");
  ARROW_ASSIGN_OR_RAISE(AwsCredentials credentials, KeysFromJson(response.body, call.service));
  return credentials;
}

Result<std::optional<AwsCredentials>> KeysOfInstance(const Environment& environment, const StopToken& stop,
                                                     std::string* why) {
  const std::string disabled = environment("AWS_EC2_METADATA_DISABLED");
  if (disabled == "true" || disabled == "TRUE" || disabled == "True") {
    *why = "switched off by AWS_EC2_METADATA_DISABLED";
    return std::nullopt;
  }
  std::string host = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (host.empty()) host = kInstanceHost;
  while (host.ends_with('/')) host.pop_back();
  KeyCall call;
  call.service = "the instance's metadata service";
  call.url = host + "/latest/api/token";
  call.method = "PUT";
  call.headers = {"X-aws-ec2-metadata-token-ttl-seconds: 21600"};
  auto token = CallForKeys(call, stop);
  if (KindOf(token.status()) == ErrorKind::kStopped) return token.status();
  if (!token.ok() || token->status != 200) {
    *why = host + " does not answer";
    return std::nullopt;
  }
  call.method = "GET";
  call.headers = {"X-aws-ec2-metadata-token: " + token->body};
  call.url = host + kInstancePath;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse roles, CallForKeys(call, stop));
  const std::string role = roles.body.substr(0, roles.body.find('\n'));
  if (roles.status == 404 || (roles.status == 200 && role.empty())) {
    *why = "the instance has no role";
    return std::nullopt;
  }
  if (roles.status != 200) return Refused(call.service, roles, "");
  call.url = host + kInstancePath + role;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
  if (response.status != 200) return Refused(call.service, response, "for role " + role);
  ARROW_ASSIGN_OR_RAISE(AwsCredentials credentials, KeysFromJson(response.body, call.service));
  return credentials;
}

}  // namespace calve::objectstore
