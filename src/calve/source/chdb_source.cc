#include "calve/source/chdb_source.h"

#include <fmt/format.h>

#include <utility>

#include "calve/base/random.h"
#include "calve/base/seconds_sum.h"
#include "calve/source/arrow_stream_file.h"
#include "calve/source/chdb_engine.h"
#include "calve/source/introspection.h"
#include "calve/source/native_decoder.h"

namespace calve::source {
namespace {

constexpr std::string_view kNotStreamed = "Streaming query is not supported";  // DESCRIBE, SHOW
constexpr std::string_view kNoStream = "No active streaming query";

// Stops being watched, and is cancelled, when it goes.
class ChdbStream : public BlockStream {
 public:
  ChdbStream(std::shared_ptr<ChdbEngine> engine, ChdbLease lease, std::string sql, const std::string& query_id)
      : engine_(std::move(engine)),
        lease_(std::move(lease)),
        id_(query_id.empty() ? "calve-" + RandomUuid() : query_id),
        sql_(ChdbEngine::Tag(id_) + sql),
        decoder_([this] { return NextBytes(); }, NativeOptions{}) {}

  ~ChdbStream() override {
    if (stream_ == nullptr) return;
    if (!ended_) {
      // Cancelling waits for the next block: a killed query gives up at once.
      engine_->Kill(id_);
      engine_->library().stream_cancel(lease_.get(), stream_);
      lease_.Spoil();
    }
    engine_->library().destroy_result(stream_);
  }

  // Starts the query and waits for its first bytes, so that a wrong query fails here.
  Status Start() {
    ARROW_RETURN_NOT_OK(engine_->stop().Check());
    auto* stream = engine_->library().stream_query(lease_.get(), sql_.data(), sql_.size(), "Native", 6);
    if (stream == nullptr) return MakeError(ErrorKind::kFailed, engine_->name() + ": no answer");
    if (const char* error = engine_->library().error(stream); error != nullptr && *error != '\0') {
      const Status status = engine_->Take(stream).status();
      if (MessageOf(status).find(kNotStreamed) == std::string::npos) return status;
      ended_ = true;
      ARROW_ASSIGN_OR_RAISE(first_, RunWhole());
      return Status::OK();
    }
    stream_ = stream;
    auto first = Fetch();
    if (!first.ok() && MessageOf(first.status()).find(kNoStream) != std::string::npos) first = RunWhole();
    ARROW_ASSIGN_OR_RAISE(first_, std::move(first));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return decoder_.Next(); }
  int64_t bytes_read() const override { return bytes_read_; }
  double wait_seconds() const override { return waited_.seconds(); }

 private:
  Result<std::shared_ptr<arrow::Buffer>> NextBytes() {
    if (first_ != nullptr) return std::exchange(first_, nullptr);
    if (ended_) return nullptr;
    return Fetch();
  }

  // Null at the end.
  Result<std::shared_ptr<arrow::Buffer>> Fetch() {
    ARROW_RETURN_NOT_OK(engine_->stop().Check());
    engine_->Watch(id_);
    auto* result = waited_.Time([this] { return engine_->library().stream_fetch(lease_.get(), stream_); });
    engine_->Unwatch(id_);
    auto bytes = engine_->Take(result);
    if (!bytes.ok()) {
      ended_ = true;
      lease_.Spoil();
      ARROW_RETURN_NOT_OK(engine_->stop().Check());  // the kill was ours
      return bytes.status();
    }
    // The engine ends a stream with an error or with an answer without bytes; it never sends an empty block in between.
    if ((*bytes)->size() == 0) {
      ended_ = true;
      return nullptr;
    }
    bytes_read_ += (*bytes)->size();
    return bytes;
  }

  // Some releases answer an empty result with "No active streaming query", which is also what a stream says that is
  // gone for another reason. So the query is asked once more as a whole, and that answer counts, whatever it is.
  Result<std::shared_ptr<arrow::Buffer>> RunWhole() {
    engine_->Watch(id_);
    auto bytes = engine_->Run(lease_, sql_, "Native");
    engine_->Unwatch(id_);
    ARROW_RETURN_NOT_OK(engine_->stop().Check());
    ARROW_RETURN_NOT_OK(bytes.status());
    bytes_read_ += (*bytes)->size();
    return (*bytes)->size() == 0 ? nullptr : std::move(*bytes);
  }

  std::shared_ptr<ChdbEngine> engine_;
  ChdbLease lease_;
  const std::string id_, sql_;
  ChdbLibrary::Result* stream_ = nullptr;
  std::shared_ptr<arrow::Buffer> first_;
  bool ended_ = false;
  int64_t bytes_read_ = 0;
  SecondsSum waited_;
  NativeDecoder decoder_;
};

class ChdbSource : public Source {
 public:
  ChdbSource(std::shared_ptr<ChdbEngine> engine, std::map<std::string, std::string> settings)
      : engine_(std::move(engine)), settings_(std::move(settings)) {}

  std::string name() const override { return engine_->name(); }
  std::string database() const override { return engine_->database(); }

  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) override {
    ARROW_ASSIGN_OR_RAISE(auto lease, engine_->Lease(Merged(options)));
    auto stream = std::make_unique<ChdbStream>(engine_, std::move(lease), sql, options.query_id);
    ARROW_RETURN_NOT_OK(stream->Start());
    return stream;
  }

  Status Execute(const std::string& sql, const QueryOptions& options) override {
    ARROW_RETURN_NOT_OK(engine_->stop().Check());
    ARROW_ASSIGN_OR_RAISE(auto lease, engine_->Lease(Merged(options)));
    return engine_->Run(lease, sql, "Null").status();
  }

  // The engine reads rows from a file: it takes none from its caller's memory.
  Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) override {
    ARROW_ASSIGN_OR_RAISE(auto file, ArrowStreamFile::Write(rows, engine_->stop()));
    if (!file) return Status::OK();
    ARROW_RETURN_NOT_OK(engine_->stop().Check());
    ARROW_ASSIGN_OR_RAISE(auto lease, engine_->Lease(Merged(options)));
    const std::string id = options.query_id.empty() ? "calve-" + RandomUuid() : options.query_id;
    const std::string sql =
        fmt::format("{}INSERT INTO {} {} FROM file({}, 'ArrowStream', {})", ChdbEngine::Tag(id), insertion.into,
                    insertion.select, QuoteString(file->path()), QuoteString(insertion.structure));
    engine_->Watch(id);
    const Status inserted = engine_->Run(lease, sql, "Null").status();
    engine_->Unwatch(id);
    if (!inserted.ok()) ARROW_RETURN_NOT_OK(engine_->stop().Check());  // the kill was ours
    return inserted;
  }

 private:
  std::map<std::string, std::string> Merged(const QueryOptions& options) const {
    auto settings = options.settings;
    settings.insert(settings_.begin(), settings_.end());
    return settings;
  }

  std::shared_ptr<ChdbEngine> engine_;
  std::map<std::string, std::string> settings_;
};

}  // namespace

Result<std::unique_ptr<Source>> OpenChdbSource(const SourceUrl& url, const SourceOptions& options,
                                               const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(auto library, LoadChdbLibrary(options.chdb_library));
  return OpenChdbSource(library, url, options, stop);
}

Result<std::unique_ptr<Source>> OpenChdbSource(const ChdbLibrary& library, const SourceUrl& url,
                                               const SourceOptions& options, const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(auto engine, ChdbEngine::Open(library, url.directory, url.database, stop));
  auto settings = options.settings;
  settings.insert(url.settings.begin(), url.settings.end());
  return std::make_unique<ChdbSource>(std::move(engine), std::move(settings));
}

}  // namespace calve::source
