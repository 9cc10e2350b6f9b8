#include "calve/cli/rest_flags.h"

namespace calve::cli {

void AddRestFlags(CLI::App& command, RestFlags& flags) {
  const char* group = "REST catalog";
  auto add = [&](const char* option, std::string& value, const char* variable, const char* meaning) {
    return command.add_option(option, value, meaning)->envname(variable)->group(group);
  };
  add("--catalog-credential-file", flags.credential_file, "CALVE_CATALOG_CREDENTIAL_FILE",
      "file with OAuth2's client credentials, id:secret (or the variable CALVE_CATALOG_CREDENTIAL)");
  add("--catalog-token-file", flags.token_file, "CALVE_CATALOG_TOKEN_FILE",
      "file with a bearer token (or the variable CALVE_CATALOG_TOKEN)");
  add("--catalog-oauth2-server-uri", flags.oauth2_server_uri, "CALVE_CATALOG_OAUTH2_SERVER_URI",
      "who gives tokens for the credential; by default the catalog itself");
  add("--catalog-scope", flags.scope, "CALVE_CATALOG_SCOPE", "OAuth2's scope of the tokens")->capture_default_str();
  add("--catalog-audience", flags.audience, "CALVE_CATALOG_AUDIENCE", "OAuth2's audience of the tokens");
  add("--catalog-resource", flags.resource, "CALVE_CATALOG_RESOURCE", "OAuth2's resource of the tokens");
  command.add_option("--catalog-header", flags.headers, "HTTP header of every request, NAME=VALUE (repeatable)")
      ->group(group);
  add("--catalog-signing-region", flags.signing_region, "CALVE_CATALOG_SIGNING_REGION",
      "requests are signed (AWS Signature Version 4) for this region, by AWS_ACCESS_KEY_ID and its kin");
  add("--catalog-signing-service", flags.signing_service, "CALVE_CATALOG_SIGNING_SERVICE",
      "and for this service: glue, s3tables, execute-api")
      ->capture_default_str();
  command
      .add_flag("--catalog-own-credentials", flags.own_credentials,
                "the catalog is not asked for credentials for its tables' files")
      ->group(group);
  add("--catalog-ca-file", flags.ca_file, "CALVE_CATALOG_CA_FILE",
      "PEM file of the authority that signed the catalog's certificate");
  add("--catalog-cert-file", flags.cert_file, "CALVE_CATALOG_CERT_FILE", "PEM file of the client's certificate");
  add("--catalog-key-file", flags.key_file, "CALVE_CATALOG_KEY_FILE", "PEM file of the client's key");
  add("--catalog-connect-timeout", flags.connect_timeout, "CALVE_CATALOG_CONNECT_TIMEOUT",
      "wait for a connection at most so long")
      ->capture_default_str();
  add("--catalog-idle-timeout", flags.idle_timeout, "CALVE_CATALOG_IDLE_TIMEOUT",
      "give a try up after so long without a byte")
      ->capture_default_str();
}

Status ApplyRestFlags(const RestFlags& flags, config::CatalogConfig& catalog) {
  catalog.credential_file = flags.credential_file;
  catalog.token_file = flags.token_file;
  catalog.oauth2_server_uri = flags.oauth2_server_uri;
  catalog.scope = flags.scope;
  catalog.audience = flags.audience;
  catalog.resource = flags.resource;
  ARROW_ASSIGN_OR_RAISE(catalog.headers, ParsePairs("--catalog-header", flags.headers));
  catalog.sigv4 = {flags.signing_region, flags.signing_service};
  catalog.vended_credentials = !flags.own_credentials;
  catalog.ca_file = flags.ca_file;
  catalog.cert_file = flags.cert_file;
  catalog.key_file = flags.key_file;
  ARROW_ASSIGN_OR_RAISE(catalog.connect_timeout_micros, ParseDuration(flags.connect_timeout));
  ARROW_ASSIGN_OR_RAISE(catalog.idle_timeout_micros, ParseDuration(flags.idle_timeout));
  return Status::OK();
}

}  // namespace calve::cli
