// The embedded ClickHouse behind an HTTP port, so that what is written for a server meets real answers. It says all
// that a server says with them (exceptions before and amid an answer), but knows no user, compresses nothing, and does
// not honour client_protocol_version: its answers are of revision 0.
#pragma once

#include <memory>
#include <string>

#include "calve/http/testing_http_server.h"
#include "calve/source/chdb_engine.h"

namespace calve::source {

class TestingEngineServer {
 public:
  // Several of them, and sources of the embedded engine, may have one directory.
  explicit TestingEngineServer(const std::string& directory);
  std::string url() const { return http_.url("/default"); }

 private:
  void Answer(const http::SeenRequest& request, http::HttpAnswer& answer);

  StopToken stop_;
  std::shared_ptr<ChdbEngine> engine_;
  http::TestingHttpServer http_;
};

}  // namespace calve::source
