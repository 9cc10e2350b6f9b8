// Reads a result of one unsigned column whole, for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calve/source/source.h"
#include "calve/source/testing_http_server.h"

namespace calve::source {

Result<std::vector<uint64_t>> ReadNumbers(Source& source, const std::string& sql = "SELECT number",
                                          const QueryOptions& options = {});
SourceOptions TestingOptions(const TestingHttpServer& server);  // one attempt, short time-outs
std::unique_ptr<Source> OpenTestingSource(const TestingHttpServer& server, const StopToken& stop);

}  // namespace calve::source
