#include "calve/source/testing_engine_server.h"

#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <set>
#include <string_view>

#include "calve/base/random.h"
#include "calve/base/testing_temp_dir.h"
#include "calve/http/percent_encoding.h"
#include "calve/source/introspection.h"

namespace calve::source {
namespace {

constexpr std::string_view kFormatNative = "\nFORMAT Native";
constexpr std::string_view kFromInput = " FROM input(";

// Of a URL: those that are no settings.
const std::set<std::string> kOfTheRequest = {
    "database", "query_id", "query", "client_protocol_version", "default_format", "enable_http_compression"};

std::string Set(const http::SeenRequest& request) {
  std::string set;
  const std::string& target = request.target;
  for (size_t at = target.find('?'); at != std::string::npos;) {
    const size_t name = at + 1, equals = target.find('=', name);
    at = target.find('&', name);
    if (equals == std::string::npos) break;
    const std::string setting = target.substr(name, equals - name);
    if (kOfTheRequest.contains(setting)) continue;
    set += (set.empty() ? "SET " : ", ") + QuoteIdentifier(setting) + " = " + QuoteString(request.Parameter(setting));
  }
  return set;
}

// One result of the engine.
class EngineResult {
 public:
  EngineResult(const ChdbLibrary& library, ChdbLibrary::Result* result) : library_(library), result_(result) {}
  ~EngineResult() { library_.destroy_result(result_); }
  EngineResult(const EngineResult&) = delete;
  EngineResult& operator=(const EngineResult&) = delete;

  std::string error() const {
    const char* text = library_.error(result_);
    return text == nullptr ? "" : text;
  }
  std::string bytes() const { return {library_.buffer(result_), library_.length(result_)}; }
  ChdbLibrary::Result* get() const { return result_; }

 private:
  const ChdbLibrary& library_;
  ChdbLibrary::Result* result_;
};

void Refuse(const std::string& error, http::HttpAnswer& answer) {
  const size_t code = error.find("Code: ");
  answer.Whole(500, error + " (version 26.1.1.1)\n",
               code == std::string::npos
                   ? ""
                   : fmt::format("X-ClickHouse-Exception-Code: {}\r\n", std::atoi(error.c_str() + code + 6)));
}

}  // namespace

TestingEngineServer::TestingEngineServer(const std::string& directory)
    : engine_(ChdbEngine::Open(LoadChdbLibrary("").ValueOrDie(), directory, "default", stop_).ValueOrDie()),
      http_([this](const http::SeenRequest& request, http::HttpAnswer& answer) { Answer(request, answer); }) {}

void TestingEngineServer::Answer(const http::SeenRequest& request, http::HttpAnswer& answer) {
  if (request.body_was_cut) return answer.Close();
  const ChdbLibrary& library = engine_->library();
  auto lease = engine_->Lease({}).ValueOrDie();
  const auto run = [&](const std::string& sql, const char* format) {
    return EngineResult(library, library.query(lease.get(), sql.data(), sql.size(), format, strlen(format)));
  };
  if (const std::string set = Set(request); !set.empty()) {
    lease.Spoil();  // the connection keeps them
    if (const auto done = run(set, "Null"); !done.error().empty()) return Refuse(done.error(), answer);
  }
  std::string sql = request.body;
  TempDir folder;
  if (const std::string insert = request.Parameter("query"); insert != "<none>") {
    // The engine reads rows from a file alone.
    const std::string path = folder.path() + "/rows.arrows";
    std::ofstream(path, std::ios::binary) << request.body;
    const size_t input = insert.find(kFromInput), end = insert.rfind(") FORMAT ArrowStream");
    sql = fmt::format("{} FROM file({}, 'ArrowStream', {})", insert.substr(0, input), QuoteString(path),
                      insert.substr(input + kFromInput.size(), end - input - kFromInput.size()));
  }
  if (!sql.ends_with(kFormatNative)) {
    const auto done = run(sql, "Null");
    return done.error().empty() ? answer.Whole(200, "") : Refuse(done.error(), answer);
  }
  const std::string id = RandomUuid();
  sql = ChdbEngine::Tag(id) + sql.substr(0, sql.size() - kFormatNative.size());
  const EngineResult stream(library, library.stream_query(lease.get(), sql.data(), sql.size(), "Native", 6));
  bool begun = false;
  for (std::string error = stream.error();;) {
    std::string bytes;
    if (error.empty()) {
      const EngineResult next(library, library.stream_fetch(lease.get(), stream.get()));
      error = next.error();
      bytes = next.bytes();
    }
    if (!begun && error.find("treaming query") != std::string::npos) {  // nothing to stream, or nothing at all
      const auto whole = run(sql, "Native");
      return whole.error().empty() ? answer.Whole(200, whole.bytes()) : Refuse(whole.error(), answer);
    }
    if (!error.empty() && !begun) return Refuse(error, answer);
    if (!begun) answer.BeginChunked();
    begun = true;
    if (!error.empty()) answer.Chunk(error + " (version 26.1.1.1)\n");
    if (!error.empty() || bytes.empty()) break;
    if (!answer.Chunk(bytes)) {  // who asked is gone
      engine_->Kill(id);
      library.stream_cancel(lease.get(), stream.get());
      lease.Spoil();
      return;
    }
  }
  answer.EndChunks();
}

}  // namespace calve::source
