// Reads a result of one unsigned column whole, for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calve/http/testing_http_server.h"
#include "calve/source/source.h"

namespace calve::source {

Result<std::vector<uint64_t>> ReadNumbers(Source& source, const std::string& sql = "SELECT number",
                                          const QueryOptions& options = {});
SourceOptions TestingOptions(const http::TestingHttpServer& server);  // one attempt, short time-outs
std::unique_ptr<Source> OpenTestingSource(const http::TestingHttpServer& server, const StopToken& stop);

}  // namespace calve::source
