// A REST catalog and its server over an SQL catalog, for tests of either.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "calve/catalog/rest_catalog.h"
#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/catalog/testing_fake_rest_server.h"

namespace calve::catalog {

struct RestPlace : CatalogPlace {
  explicit RestPlace(RestServerOptions server_options = {})
      : server([this] { return OpenInner(); }, std::move(server_options)) {
    options.uri = server.url();
    options.retry = {.attempts_max = 3, .wait_min_ms = 1, .wait_max_ms = 5, .total_max_ms = 5'000};
    options.idle_timeout_ms = 10'000;
  }
  std::unique_ptr<Catalog> OpenInner() {
    return OpenCatalog({"sqlite:///" + db_dir.path() + "/catalog.db", "file://" + dir.path() + "/warehouse", ""},
                       faults, clock)
        .ValueOrDie();
  }
  std::unique_ptr<RestCatalog> OpenRest(storage::StorageCredentials* vended = nullptr) {
    return RestCatalog::Make(options, warehouse, vended, clock, stop).ValueOrDie();
  }
  std::unique_ptr<Catalog> Open() override { return OpenRest(); }

  TempDir db_dir;  // apart from the files, which tests count
  StopToken stop;
  RestOptions options;
  std::string warehouse;
  FakeRestServer server;
};

}  // namespace calve::catalog
