#include "calve/source/testing_read_numbers.h"

#include <arrow/array.h>

namespace calve::source {

Result<std::vector<uint64_t>> ReadNumbers(Source& source, const std::string& sql, const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto stream, source.Query(sql, options));
  std::vector<uint64_t> out;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto block, stream->Next());
    if (!block) return out;
    if (block->column(0)->type_id() != arrow::Type::UINT64) return Status::TypeError(block->schema()->ToString());
    const auto& column = static_cast<const arrow::UInt64Array&>(*block->column(0));
    out.insert(out.end(), column.raw_values(), column.raw_values() + column.length());
  }
}

SourceOptions TestingOptions(const http::TestingHttpServer& server) {
  SourceOptions options;
  options.url = server.url();
  options.attempts_max = 1;
  options.connect_timeout_ms = 5'000;
  options.idle_timeout_ms = 10'000;
  return options;
}

std::unique_ptr<Source> OpenTestingSource(const http::TestingHttpServer& server, const StopToken& stop) {
  return OpenSource(TestingOptions(server), stop).ValueOrDie();
}

}  // namespace calve::source
