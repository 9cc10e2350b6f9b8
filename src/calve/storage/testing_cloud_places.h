// Places on emulators of Google's and Azure's stores. See http/testing_server_process.h for how suites that use them
// are named and run.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "calve/base/testing_temp_dir.h"
#include "calve/http/http_client.h"
#include "calve/http/testing_server_process.h"
#include "calve/objectstore/azure_auth.h"
#include "calve/objectstore/azure_store.h"
#include "calve/objectstore/gcs_store.h"
#include "calve/storage/object_file_io.h"
#include "calve/storage/testing_file_io_conformance.h"

namespace calve::storage {

// fake-gcs-server, and Azurite with its well-known account.
class CloudEmulator {
 public:
  // Null where it is not installed: with CALVE_STRICT=1 that is an exception.
  static CloudEmulator* Gcs() {
    static std::unique_ptr<CloudEmulator> emulator = MakeGcs();
    return emulator.get();
  }
  static CloudEmulator* Azurite() {
    static std::unique_ptr<CloudEmulator> emulator = MakeAzurite();
    return emulator.get();
  }
  std::string origin() const { return fmt::format("http://127.0.0.1:{}", process_->port()); }
  std::string NewName() { return fmt::format("bucket-{}-{}", getpid(), ++names_); }
  // One small request from outside the store; the status it is answered with.
  int Ask(const http::HttpRequest& request) const {
    http::HttpEndpoint endpoint;
    endpoint.origin = origin();
    endpoint.is_loopback = true;
    const StopToken stop;
    http::HttpClient client(endpoint, stop);
    auto response = client.Call(request);
    return response.ok() ? response->status : 0;
  }

 private:
  static std::unique_ptr<CloudEmulator> MakeGcs() {
    auto program = http::InstalledServer("bin/fake-gcs-server");
    if (!program) return nullptr;
    auto emulator = std::make_unique<CloudEmulator>();
    http::ServerProcess::Command command;
    command.port = http::FreePort();
    const std::string address = fmt::format("127.0.0.1:{}", command.port);
    command.words = {program->string(),
                     "-scheme",
                     "http",
                     "-host",
                     "127.0.0.1",
                     "-port",
                     std::to_string(command.port),
                     "-backend",
                     "memory",
                     "-public-host",
                     address,
                     "-external-url",
                     "http://" + address};
    command.ready = [port = command.port] { return http::StatusOf(port, "/_internal/healthcheck") == 200; };
    return Start(std::move(emulator), std::move(command));
  }

  static std::unique_ptr<CloudEmulator> MakeAzurite() {
    auto program = http::InstalledServer("bin/azurite-blob");
    if (!program) return nullptr;
    auto emulator = std::make_unique<CloudEmulator>();
    http::ServerProcess::Command command;
    command.port = http::FreePort();
    command.words = {program->string(),
                     "--blobHost",
                     "127.0.0.1",
                     "--blobPort",
                     std::to_string(command.port),
                     "--silent",
                     "--disableTelemetry",
                     "--inMemoryPersistence"};
    return Start(std::move(emulator), std::move(command));
  }

  static std::unique_ptr<CloudEmulator> Start(std::unique_ptr<CloudEmulator> emulator,
                                              http::ServerProcess::Command command) {
    emulator->process_ = std::make_unique<http::ServerProcess>(emulator->folder_.path(), std::move(command));
    emulator->process_->Start();
    return emulator;
  }

  TempDir folder_;
  std::unique_ptr<http::ServerProcess> process_;
  int names_ = 0;
};

// A store and the FileIO over it.
struct CloudPlace : FileIOPlace {
  explicit CloudPlace(const objectstore::StoreOptions& asked = {}) : options(asked) {
    options.idle_timeout_micros = 20'000'000;
  }
  FileIO& io() override { return file_io; }

  objectstore::StoreOptions options;
  StopToken stop;
  SystemClock clock;
  std::shared_ptr<objectstore::ObjectStore> store;
  ObjectFileIO file_io{[this](const std::string&) -> Result<ObjectFileIO::StorePointer> { return store; }, 1 << 20, 3,
                       stop};
};

struct GcsPlace : CloudPlace {
  explicit GcsPlace(CloudEmulator& emulator) : bucket(emulator.NewName()) {
    http::HttpRequest create;
    create.target = "/storage/v1/b?project=test";
    create.body = "{\"name\":\"" + bucket + "\"}";
    create.headers = {"Content-Type: application/json"};
    EXPECT_EQ(emulator.Ask(create), 200);
    store = objectstore::GcsStore::Make(options, emulator.origin(), nullptr, stop, clock).ValueOrDie();
  }
  std::string root() override { return "gs://" + bucket + "/ware house"; }
  const std::string bucket;
};

struct AzurePlace : CloudPlace {
  static constexpr const char* kAccount = "devstoreaccount1";
  // Azurite's, which every one of them has.
  static constexpr const char* kKey =
      "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

  explicit AzurePlace(CloudEmulator& emulator) : container(emulator.NewName()) {
    options.endpoint = emulator.origin() + "/" + kAccount;
    const objectstore::Environment environment = [](const std::string& name) -> std::string {
      return name == "AZURE_STORAGE_KEY" ? kKey : "";
    };
    auto account = objectstore::ResolveAzureAccount(std::string(kAccount) + ".dfs.core.windows.net", options,
                                                    environment, stop, clock)
                       .ValueOrDie();
    objectstore::StoreRequest create;
    create.method = "PUT";
    create.origin = emulator.origin();
    create.target = fmt::format("/{}/{}?restype=container", kAccount, container);
    create.headers = {"x-ms-version: 2021-08-06", "Content-Type: text/plain"};
    objectstore::AzureAuthorizer authorizer(account, clock);
    http::HttpRequest request;
    request.method = create.method;
    request.target = create.target;
    request.headers = create.headers;
    EXPECT_TRUE(authorizer.Authorize(create, &request.headers).ok());
    EXPECT_EQ(emulator.Ask(request), 201);
    store = objectstore::AzureStore::Make(options, std::move(account), stop, clock).ValueOrDie();
  }
  std::string root() override { return "abfss://" + container + "@" + kAccount + ".dfs.core.windows.net/ware house"; }
  const std::string container;
};

}  // namespace calve::storage
