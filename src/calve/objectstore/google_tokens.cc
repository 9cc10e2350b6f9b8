#include "calve/objectstore/google_tokens.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "calve/base/small_file.h"
#include "calve/http/percent_encoding.h"
#include "calve/objectstore/aws_key_places.h"
#include "calve/objectstore/base64.h"
#include "calve/objectstore/json_text.h"

namespace calve::objectstore {
namespace {

using Json = nlohmann::json;

constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr const char* kTokenUri = "https://oauth2.googleapis.com/token";
constexpr const char* kMetadataPath = "/computeMetadata/v1/instance/service-accounts/default/token";
constexpr const char* kRemedy =
    "Name a key file with GOOGLE_APPLICATION_CREDENTIALS, log in with `gcloud auth application-default login`, or give "
    "the machine a service account; a public bucket is read with --store-anonymous.";

std::string Base64Url(std::string_view bytes) {
  std::string text = Base64Encoded(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string CredentialsFile(const Environment& environment) {
  const std::string named = environment("GOOGLE_APPLICATION_CREDENTIALS");
  if (!named.empty()) return named;
  const std::string home = environment("HOME");
  const std::string path = home + "/.config/gcloud/application_default_credentials.json";
  std::error_code failed;
  return !home.empty() && std::filesystem::exists(path, failed) ? path : "";
}

struct Google {
  Environment environment;
  std::string ca_file;
  const StopToken& stop;
  const Clock& clock;

  Result<AccessToken> Ask(const std::string& uri, const std::string& form) const {
    KeyCall call;
    call.url = uri;
    call.method = "POST";
    call.headers = {"Content-Type: application/x-www-form-urlencoded"};
    call.body = form;
    call.ca_file = ca_file;
    call.connect_timeout_ms = 10'000;
    call.idle_timeout_ms = 30'000;
    call.service = "Google's token service";
    const TimestampMicros now = clock.Now();
    ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, CallForKeys(call, stop));
    if (response.status == 200) return TokenFromJson(response.body, call.service, now);
    const Json json = Json::parse(response.body, nullptr, false);
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} gave no token: {} {} {}", call.service, response.status, JsonText(json, "error"),
                                 JsonText(json, "error_description")),
                     "Check that the key or login is still valid.");
  }

  Result<std::optional<AccessToken>> FromFile(std::string* why) const {
    const std::string file = CredentialsFile(environment);
    if (file.empty()) {
      *why = "GOOGLE_APPLICATION_CREDENTIALS is not set, and gcloud has no login";
      return std::nullopt;
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text, ReadSmallFile(file, "Google's credentials file"));
    const Json json = Json::parse(text, nullptr, false);
    const std::string type = JsonText(json, "type");
    std::string uri = JsonText(json, "token_uri");
    if (uri.empty()) uri = kTokenUri;
    std::string form;
    if (type == "service_account") {
      ARROW_ASSIGN_OR_RAISE(const std::string assertion,
                            SignedAssertion(JsonText(json, "client_email"), JsonText(json, "private_key_id"),
                                            JsonText(json, "private_key"), uri, clock.Now()));
      form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion;
    } else if (type == "authorized_user") {
      form = "grant_type=refresh_token";
      for (const char* name : {"client_id", "client_secret", "refresh_token"}) {
        form += fmt::format("&{}={}", name, http::PercentEncoded(JsonText(json, name)));
      }
    } else {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("the credentials in {} are of type '{}', which calve does not know", file, type),
                       "Known are service_account and authorized_user.");
    }
    ARROW_ASSIGN_OR_RAISE(AccessToken token, Ask(uri, form));
    return token;
  }

  Result<std::optional<AccessToken>> FromMachine(std::string* why) const {
    std::string host = environment("GCE_METADATA_HOST");
    if (host.empty()) host = "metadata.google.internal";
    KeyCall call;
    call.url = "http://" + host + kMetadataPath;
    call.headers = {"Metadata-Flavor: Google"};
    call.service = "the machine's metadata service";
    const TimestampMicros now = clock.Now();
    auto response = CallForKeys(call, stop);
    if (KindOf(response.status()) == ErrorKind::kStopped) return response.status();
    if (!response.ok() || response->status != 200) {
      *why = response.ok() ? "the machine has no service account" : host + " does not answer";
      return std::nullopt;
    }
    ARROW_ASSIGN_OR_RAISE(AccessToken token, TokenFromJson(response->body, call.service, now));
    return token;
  }
};

}  // namespace

Result<std::string> SignedAssertion(const std::string& email, const std::string& key_id, const std::string& key_pem,
                                    const std::string& audience, TimestampMicros now) {
  const int64_t seconds = now / kMicrosPerSecond;
  const Json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id}};
  const Json claims = {{"iss", email}, {"scope", kScope}, {"aud", audience}, {"iat", seconds}, {"exp", seconds + 3600}};
  const std::string text = Base64Url(header.dump()) + "." + Base64Url(claims.dump());
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())),
                                                      &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(1024, '\0');
  size_t size = signature.size();
  if (!key || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1) {
    return MakeError(ErrorKind::kConfig, "the private key of the service account cannot be used",
                     "Fetch a new key file for it.");
  }
  signature.resize(size);
  return text + "." + Base64Url(signature);
}

std::unique_ptr<TokenSource> GoogleTokens(const Environment& environment, const std::string& ca_file,
                                          const StopToken& stop, const Clock& clock) {
  auto google = std::make_shared<Google>(Google{environment, ca_file, stop, clock});
  std::vector<TokenPlace> places = {[google](std::string* why) { return google->FromFile(why); },
                                    [google](std::string* why) { return google->FromMachine(why); }};
  return std::make_unique<TokenSource>(std::move(places), kRemedy, clock);
}

}  // namespace calve::objectstore
