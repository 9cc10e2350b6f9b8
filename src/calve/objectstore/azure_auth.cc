#include "calve/objectstore/azure_auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "calve/base/small_file.h"
#include "calve/base/text.h"
#include "calve/http/http_date.h"
#include "calve/http/percent_encoding.h"
#include "calve/http/sigv4.h"
#include "calve/objectstore/aws_key_places.h"
#include "calve/objectstore/base64.h"

namespace calve::objectstore {
namespace {

constexpr const char* kScope = "https://storage.azure.com/.default";
constexpr const char* kAzureInstanceHost = "http://169.254.169.254";
constexpr const char* kRemedy =
    "Set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, a client's AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET, or give the machine an identity; a public container is read with --store-anonymous.";

// The places that give tokens.
struct Entra {
  Environment environment;
  std::string ca_file;
  const StopToken& stop;
  const Clock& clock;

  Result<std::optional<AccessToken>> Ask(KeyCall call) const {
    call.ca_file = ca_file;
    const TimestampMicros now = clock.Now();
    ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
    if (response.status == 200) {
      ARROW_ASSIGN_OR_RAISE(AccessToken token, TokenFromJson(response.body, call.service, now));
      return token;
    }
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    const std::string reason = json.is_object() ? json.value("error_description", json.value("error", "")) : "";
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} gave no token: {} {}", call.service, response.status, reason.substr(0, 300)),
                     "Check the client, its secret or its federation, and the tenant.");
  }

  Result<std::optional<AccessToken>> FromClient(std::string* why) const {
    const std::string tenant = environment("AZURE_TENANT_ID"), client = environment("AZURE_CLIENT_ID");
    const std::string secret = environment("AZURE_CLIENT_SECRET"), file = environment("AZURE_FEDERATED_TOKEN_FILE");
    if (tenant.empty() || client.empty() || (secret.empty() && file.empty())) {
      *why = "AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE are not set";
      return std::nullopt;
    }
    std::string host = environment("AZURE_AUTHORITY_HOST");
    if (host.empty()) host = "https://login.microsoftonline.com";
    while (host.ends_with('/')) host.pop_back();
    KeyCall call;
    call.url = fmt::format("{}/{}/oauth2/v2.0/token", host, http::PercentEncoded(tenant));
    call.method = "POST";
    call.headers = {"Content-Type: application/x-www-form-urlencoded"};
    call.body = fmt::format("grant_type=client_credentials&client_id={}&scope={}", http::PercentEncoded(client),
                            http::PercentEncoded(kScope));
    if (!secret.empty()) {
      call.body += "&client_secret=" + http::PercentEncoded(secret);
    } else {
      ARROW_ASSIGN_OR_RAISE(const std::string assertion, ReadSmallFile(file, "the federated token's file"));
      call.body +=
          "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
          "&client_assertion=" +
          http::PercentEncoded(assertion);
    }
    call.connect_timeout_ms = 10'000;
    call.idle_timeout_ms = 30'000;
    call.service = "Entra ID";
    return Ask(std::move(call));
  }

  Result<std::optional<AccessToken>> FromMachine(std::string* why) const {
    std::string host = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    if (host.empty()) host = kAzureInstanceHost;
    while (host.ends_with('/')) host.pop_back();
    KeyCall call;
    call.url =
        host + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F";
    if (const std::string client = environment("AZURE_CLIENT_ID"); !client.empty()) {
      call.url += "&client_id=" + http::PercentEncoded(client);
    }
    call.headers = {"Metadata: true"};
    call.service = "the machine's identity service";
    auto token = Ask(std::move(call));
    if (token.ok() || KindOf(token.status()) == ErrorKind::kStopped) return token;
    *why = "the machine has no identity: " + MessageOf(token.status());
    return std::nullopt;
  }
};

}  // namespace

Result<AzureAccount> ResolveAzureAccount(const std::string& host, const StoreOptions& options,
                                         const Environment& environment, const StopToken& stop, const Clock& clock) {
  AzureAccount account;
  account.name = host.substr(0, host.find('.'));
  account.endpoint = options.endpoint;
  while (account.endpoint.ends_with('/')) account.endpoint.pop_back();
  if (account.endpoint.empty()) {
    std::string blob_host = host;
    if (const size_t dfs = blob_host.find(".dfs."); dfs != std::string::npos) blob_host.replace(dfs, 5, ".blob.");
    account.endpoint = "https://" + blob_host;
  }
  if (options.anonymous) return account;
  const std::string named = environment("AZURE_STORAGE_ACCOUNT");
  if (named.empty() || named == account.name) {
    account.sas = environment("AZURE_STORAGE_SAS_TOKEN");
    if (account.sas.starts_with('?')) account.sas.erase(0, 1);
    if (!account.sas.empty()) return account;
    if (const std::string key = environment("AZURE_STORAGE_KEY"); !key.empty()) {
      const auto decoded = Base64Decoded(key);
      if (!decoded) return MakeError(ErrorKind::kConfig, "AZURE_STORAGE_KEY is no base64", "Copy the key anew.");
      account.key = *decoded;
      return account;
    }
  }
  auto entra = std::make_shared<Entra>(Entra{environment, options.ca_file, stop, clock});
  std::vector<TokenPlace> places = {[entra](std::string* why) { return entra->FromClient(why); },
                                    [entra](std::string* why) { return entra->FromMachine(why); }};
  account.tokens = std::make_shared<TokenSource>(std::move(places), kRemedy, clock);
  return account;
}

std::string AzureStringToSign(const StoreRequest& request, const std::vector<std::string>& headers,
                              const std::string& account) {
  std::map<std::string, std::string> all;
  for (const std::string& header : headers) {
    const size_t colon = std::min(header.find(':'), header.size() - 1);
    all[Lower(std::string_view(header).substr(0, colon))] = Trimmed(std::string_view(header).substr(colon + 1));
  }
  const int64_t length = request.body ? request.body->size() : 0;
  std::string text = request.method + "\n\n\n" + (length > 0 ? std::to_string(length) : "") + "\n";
  for (const char* name : {"content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match",
                           "if-unmodified-since", "range"}) {
    text += all[name] + "\n";
  }
  for (const auto& [name, value] : all) {
    if (name.starts_with("x-ms-")) text += name + ":" + value + "\n";
  }
  const size_t path = std::min(request.origin.find('/', request.origin.find("://") + 3), request.origin.size());
  const size_t question = std::min(request.target.find('?'), request.target.size());
  text += "/" + account + request.origin.substr(path) + request.target.substr(0, question);
  std::map<std::string, std::string> parameters;
  std::string_view query = std::string_view(request.target).substr(std::min(question + 1, request.target.size()));
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    const size_t equals = std::min(one.find('='), one.size());
    parameters[Lower(one.substr(0, equals))] =
        http::PercentDecoded(equals < one.size() ? one.substr(equals + 1) : std::string_view());
  }
  for (const auto& [name, value] : parameters) text += "\n" + name + ":" + value;
  return text;
}

Status AzureAuthorizer::Authorize(const StoreRequest& request, std::vector<std::string>* headers) {
  if (account_.tokens) return bearer_.Authorize(request, headers);
  if (account_.key.empty()) return Status::OK();
  headers->push_back("x-ms-date: " + http::HttpDate(clock_.Now()));
  const std::string text = AzureStringToSign(request, *headers, account_.name);
  headers->push_back(fmt::format("Authorization: SharedKey {}:{}", account_.name,
                                 Base64Encoded(http::HmacSha256(account_.key, text))));
  return Status::OK();
}

}  // namespace calve::objectstore
