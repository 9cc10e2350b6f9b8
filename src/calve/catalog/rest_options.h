// Where a REST catalog is, and who calve is to it: what the operator says. What the server adds is in rest_settings.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "calve/base/retry.h"

namespace calve::catalog {

// A file is read whenever the secret is needed anew, so that it may be replaced under a running process.
struct Secret {
  std::string value;  // may be empty
  std::string file;   // where given, in place of `value`

  bool is_given() const { return !value.empty() || !file.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;
};

// For who put a secret into the URL.
inline constexpr const char* kRestSecretsRemedy =
    "Take it out: secrets come from CALVE_CATALOG_CREDENTIAL (id:secret) or CALVE_CATALOG_TOKEN, or from files "
    "(credential_file, token_file).";

struct RestOptions {
  std::string uri;                // http(s)://host:port/path: "/v1/config" follows on it
  Secret credential;              // OAuth2's client credentials: "id:secret"
  Secret token;                   // in place of them: a bearer token as it is
  std::string oauth2_server_uri;  // who gives tokens; empty: the catalog itself, at v1/oauth/tokens
  std::string scope = "catalog";  // of the token; may be empty
  std::string audience, resource;
  std::map<std::string, std::string> headers;  // sent with every request
  std::string signing_region;                  // AWS Signature Version 4, keys as S3 stores'; empty: none
  std::string signing_service = "execute-api";
  // X-Iceberg-Access-Delegation: the storage's credentials are asked of the catalog; empty: not.
  std::string access_delegation = "vended-credentials";
  std::string ca_file, cert_file, key_file;  // PEM
  int64_t connect_timeout_ms = 10'000;
  int64_t idle_timeout_ms = 60'000;  // without a byte
  // Of reads, and of what is proven not to have been done.
  RetryPolicy retry{.attempts_max = 6, .wait_min_ms = 100, .wait_max_ms = 10'000, .total_max_ms = 120'000};
};

}  // namespace calve::catalog
