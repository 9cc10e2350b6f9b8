// REST catalogs for tests: Apache Iceberg's own (tests/servers/iceberg_rest), and Project Nessie. See
// http/testing_server_process.h for how suites that use them are named and run.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>

#include "calve/base/testing_temp_dir.h"
#include "calve/http/testing_server_process.h"
#include "calve/storage/testing_s3_server.h"

namespace calve::catalog {

class RestServer {
 public:
  static constexpr const char* kClient = "calve-tests";
  static constexpr const char* kSecret = "oauth s3cret/of:the+tests";
  static constexpr const char* kToken = "a-bearer-token-that-nobody-may-see";

  struct Options {
    bool oauth = false;  // lets in only who has a token: kToken, or one for kClient and kSecret
    std::map<std::string, std::string> properties;  // of the catalog behind it; CatalogServer.java says which there are
  };

  // This program's servers, running. Null where they are not installed: with CALVE_STRICT=1 that is an exception.
  static RestServer* Iceberg() {
    static std::unique_ptr<RestServer> server = MakeIceberg({});
    return server.get();
  }
  static RestServer* IcebergWithOAuth() {
    static std::unique_ptr<RestServer> server = MakeIceberg({.oauth = true, .properties = {}});
    return server.get();
  }
  static RestServer* Nessie() {  // over a bucket of S3Server::Versitygw()
    static std::unique_ptr<RestServer> server = MakeNessie();
    return server.get();
  }

  // One that a case may stop and start as it likes; what Iceberg's has stored stays.
  static std::unique_ptr<RestServer> MakeIceberg(const Options& options) {
    auto home = http::InstalledServer("iceberg-rest");
    if (!home) return nullptr;
    std::unique_ptr<RestServer> server(new RestServer);
    const std::string& folder = server->folder_.path();
    http::ServerProcess::Command command;
    command.port = http::FreePort();
    command.words = {"java",
                     "-Xmx384m",
                     "-XX:TieredStopAtLevel=1",
                     "-XX:+UseSerialGC",
                     "-Djava.io.tmpdir=" + folder,
                     "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                     "-cp",
                     fmt::format("{0}/lib/*:{0}/classes", home->string()),
                     "org.apache.iceberg.rest.CatalogServer",
                     folder,
                     std::to_string(command.port)};
    for (const auto& [key, value] : options.properties) command.words.push_back(key + "=" + value);
    if (options.oauth) {
      command.words.push_back(fmt::format("oauth.client={}", kClient));
      command.environment = {fmt::format("OAUTH_SECRET={}", kSecret), fmt::format("OAUTH_TOKEN={}", kToken)};
    }
    auto warehouse = options.properties.find("warehouse");
    server->warehouse_ = warehouse == options.properties.end() ? "file://" + folder + "/warehouse" : warehouse->second;
    return Started(std::move(server), std::move(command), "");
  }
  static std::unique_ptr<RestServer> MakeNessie() {
    auto jar = http::InstalledServer("nessie/nessie.jar"), java = http::InstalledServer("jdk/bin/java");
    storage::S3Server* s3 = jar && java ? storage::S3Server::Versitygw() : nullptr;
    if (!s3) return nullptr;
    std::unique_ptr<RestServer> server(new RestServer);
    server->warehouse_ = fmt::format("s3://{}/", s3->NewBucket());
    http::ServerProcess::Command command;
    command.port = http::FreePort();
    command.start_limit = std::chrono::seconds(120);
    command.words = {java->string(), "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"};
    const std::string s3_options = "nessie.catalog.service.s3.default-options.";
    const std::map<std::string, std::string> options = {
        {"quarkus.http.host", "127.0.0.1"},
        {"quarkus.http.port", std::to_string(command.port)},
        {"quarkus.management.host", "127.0.0.1"},
        {"quarkus.management.port", std::to_string(http::FreePort())},
        {"quarkus.otel.sdk.disabled", "true"},
        {"nessie.version.store.type", "IN_MEMORY"},
        {"nessie.server.authentication.enabled", "false"},
        {"nessie.catalog.default-warehouse", "warehouse"},
        {"nessie.catalog.warehouses.warehouse.location", server->warehouse_},
        {s3_options + "endpoint", s3->endpoint() + "/"},
        {s3_options + "region", storage::S3Server::kRegion},
        {s3_options + "path-style-access", "true"},
        {s3_options + "access-key", "urn:nessie-secret:quarkus:s3creds"},
        {"s3creds.name", storage::S3Server::kAccessKey},
        {"s3creds.secret", storage::S3Server::kSecretKey},
    };
    for (const auto& [key, value] : options) command.words.push_back("-D" + key + "=" + value);
    command.words.insert(command.words.end(), {"-jar", jar->string()});
    return Started(std::move(server), std::move(command), "/iceberg");
  }

  const std::string& url() const { return url_; }  // what --catalog takes
  const std::string& warehouse() const { return warehouse_; }
  http::ServerProcess& process() { return *process_; }

 private:
  RestServer() = default;

  static std::unique_ptr<RestServer> Started(std::unique_ptr<RestServer> server, http::ServerProcess::Command command,
                                             const std::string& path) {
    server->url_ = fmt::format("http://127.0.0.1:{}{}", command.port, path);
    // Nessie listens before it serves. A catalog that asks who one is answers 401: it is there.
    command.ready = [port = command.port, target = path + "/v1/config"] {
      const int status = http::StatusOf(port, target);
      return status == 200 || status == 401;
    };
    server->process_ = std::make_unique<http::ServerProcess>(server->folder_.path(), std::move(command));
    server->process_->Start();
    return server;
  }

  TempDir folder_;
  std::string url_, warehouse_;
  std::unique_ptr<http::ServerProcess> process_;
};

}  // namespace calve::catalog
