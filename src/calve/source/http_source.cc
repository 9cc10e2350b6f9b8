#include "calve/source/http_source.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/base/seconds_sum.h"
#include "calve/source/arrow_stream_encoder.h"
#include "calve/source/content_encoding.h"
#include "calve/source/http_session.h"
#include "calve/source/introspection.h"
#include "calve/source/native_decoder.h"

namespace calve::source {
namespace {

// A block of a revision above 0 begins with its BlockInfo: field 1 (a bool), field 2 (an int32), end. Read as a block
// of revision 0 these bytes would be one column of at most one row, whose type's name has NUL for its second letter.
bool BeginsWithBlockInfo(const std::string& bytes) {
  return bytes.size() >= 8 && bytes[0] == 1 && (bytes[1] == 0 || bytes[1] == 1) && bytes[2] == 2 && bytes[7] == 0;
}
constexpr size_t kBlockInfoBytes = 8;
constexpr size_t kTailBytes = 32 << 10;  // twice what ClickHouse allows an exception inside an answer

class HttpStream : public BlockStream {
 public:
  HttpStream(std::shared_ptr<HttpSession> session, std::unique_ptr<http::HttpConnection> connection,
             std::string query_id)
      : session_(std::move(session)), connection_(std::move(connection)), query_id_(std::move(query_id)) {}

  // Waits for the first bytes. Not every server honours client_protocol_version (old ones, and proxies that drop
  // parameters they do not know), so that the answer itself has to tell its revision.
  Status Start() {
    exception_tag_ = connection_->header("x-clickhouse-exception-tag");
    ARROW_ASSIGN_OR_RAISE(content_, ContentDecoder::Make(connection_->header("content-encoding"),
                                                         [this] { return connection_->NextChunk(session_->stop()); }));
    std::string head;
    while (head.size() < kBlockInfoBytes) {
      ARROW_ASSIGN_OR_RAISE(auto chunk, content_->Next());
      if (!chunk) break;
      head.append(reinterpret_cast<const char*>(chunk->data()), std::min<size_t>(chunk->size(), kBlockInfoBytes));
      first_.push_back(std::move(chunk));
    }
    NativeOptions options;
    options.exception_tag = exception_tag_;
    options.revision = BeginsWithBlockInfo(head) ? kNativeRevision : 0;
    decoder_ = std::make_unique<NativeDecoder>([this] { return NextBytes(); }, options);
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (done_) return nullptr;
    auto block = decoder_->Next();
    if (block.ok() && *block) return block;
    if (KindOf(block.status()) == ErrorKind::kStopped && !block.ok()) return block;
    // Where the decoder stumbled or the connection broke, an exception at the end of the answer is the cause. Data that
    // looks like one at the end of a whole answer is data, unless the server had announced the frame.
    if (MayEndWithException(block.status())) {
      if (const auto exception = ExceptionAtEnd(Tail(), exception_tag_))
        return InContext(session_->Explain(*exception));
    }
    if (!block.ok()) return InContext(block.status());
    bytes_read_ = connection_->body_bytes();
    if (!connection_->finished())
      return InContext(
          MakeError(ErrorKind::kCorrupt, session_->where() + ": the answer goes on behind its last block"));
    done_ = true;
    session_->GiveBack(std::move(connection_));
    return nullptr;
  }

  int64_t bytes_read() const override { return connection_ ? connection_->body_bytes() : bytes_read_; }
  double wait_seconds() const override { return waited_.seconds(); }

 private:
  Result<std::shared_ptr<arrow::Buffer>> NextBytes() {
    std::shared_ptr<arrow::Buffer> chunk;
    if (next_first_ < first_.size()) {
      chunk = std::move(first_[next_first_++]);
    } else {
      ARROW_ASSIGN_OR_RAISE(chunk, waited_.Time([this] { return content_->Next(); }));
    }
    if (!chunk) return chunk;
    const auto kept = std::min<size_t>(chunk->size(), kTailBytes);
    if (tail_.size() + kept > 2 * kTailBytes) tail_.erase(0, std::min(tail_.size(), kept));
    tail_.append(reinterpret_cast<const char*>(chunk->data()) + chunk->size() - kept, kept);
    return chunk;
  }

  bool MayEndWithException(const Status& status) const {
    if (status.ok()) return !exception_tag_.empty();
    return KindOf(status) == ErrorKind::kCorrupt || KindOf(status) == ErrorKind::kRetry;
  }

  // The end of the answer. Bytes that the decoder did not ask for any more may follow: the rest of an exception, after
  // it gave up on its first words.
  const std::string& Tail() {
    for (int i = 0; i < 64 && !connection_->finished(); ++i) {
      auto chunk = NextBytes();
      if (!chunk.ok() || !*chunk) break;
    }
    return tail_;
  }

  Status InContext(const Status& status) const {
    std::string message = MessageOf(status);
    if (message.starts_with("ClickHouse: ")) message = session_->where() + message.substr(10);  // found by the decoder
    if (message.find(session_->origin()) == std::string::npos) message = session_->where() + ": " + message;
    return session_->WithQueryId(MakeError(KindOf(status), std::move(message), RemedyOf(status)), query_id_);
  }

  std::shared_ptr<HttpSession> session_;
  std::unique_ptr<http::HttpConnection> connection_;
  const std::string query_id_;
  std::string exception_tag_;
  std::unique_ptr<ContentDecoder> content_;
  std::vector<std::shared_ptr<arrow::Buffer>> first_;  // read before there was a decoder
  size_t next_first_ = 0;
  std::string tail_;  // of the plain bytes
  std::unique_ptr<NativeDecoder> decoder_;
  bool done_ = false;
  int64_t bytes_read_ = 0;
  SecondsSum waited_;
};

class HttpSource : public Source {
 public:
  HttpSource(std::shared_ptr<HttpSession> session, std::map<std::string, std::string> settings)
      : session_(std::move(session)), settings_(std::move(settings)) {}

  std::string name() const override { return session_->name(); }
  std::string database() const override { return session_->database(); }

  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) override {
    std::unique_ptr<BlockStream> out;
    auto statement = StatementOf(options.takes_format ? sql + "\nFORMAT Native" : sql, options);
    if (!options.takes_format) statement.settings["default_format"] = "Native";
    ARROW_RETURN_NOT_OK(Retry(&statement, options, [&](bool* not_begun) -> Status {
      ARROW_ASSIGN_OR_RAISE(auto connection, session_->Ask(statement, not_begun));
      *not_begun = true;  // a SELECT may be asked again as long as nothing of its answer was used
      auto stream = std::make_unique<HttpStream>(session_, std::move(connection), statement.query_id);
      ARROW_RETURN_NOT_OK(stream->Start());
      out = std::move(stream);
      return Status::OK();
    }));
    return out;
  }

  Status Execute(const std::string& sql, const QueryOptions& options) override {
    auto statement = StatementOf(sql, options);
    statement.is_query = false;
    return Retry(&statement, options, [&](bool* not_begun) -> Status { return SendAndRead(statement, not_begun); });
  }

  Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) override {
    ARROW_ASSIGN_OR_RAISE(auto encoder, ArrowStreamEncoder::Make(rows, session_->compresses()));
    if (encoder->empty()) return Status::OK();
    auto statement = StatementOf(fmt::format("INSERT INTO {} {} FROM input({}) FORMAT ArrowStream", insertion.into,
                                             insertion.select, QuoteString(insertion.structure)),
                                 options);
    statement.is_query = false;
    Status produced;
    statement.next_data = [&]() -> Result<std::shared_ptr<arrow::Buffer>> {
      auto bytes = encoder->Next();
      produced = bytes.status();
      return bytes;
    };
    bool not_begun = false;
    const Status sent = SendAndRead(statement, &not_begun);
    if (!produced.ok()) return produced;
    if (KindOf(sent) != ErrorKind::kRetry || sent.ok() || not_begun) return ExplainFormat(sent);
    return WithKind(WithContext(sent, "it is not known how much was inserted by query " + statement.query_id),
                    ErrorKind::kUnknownOutcome, RemedyOf(sent));
  }

 private:
  Status SendAndRead(const HttpSession::Statement& statement, bool* not_begun) {
    ARROW_ASSIGN_OR_RAISE(auto connection, session_->Ask(statement, not_begun));
    const std::string tag = connection->header("x-clickhouse-exception-tag");
    ARROW_ASSIGN_OR_RAISE(const std::string text, session_->ReadText(connection.get()));
    if (const auto error = ExceptionAtEnd(text, tag)) {
      return session_->WithQueryId(session_->Explain(*error), statement.query_id);
    }
    session_->GiveBack(std::move(connection));
    return Status::OK();
  }

  static Status ExplainFormat(const Status& status) {
    const std::string& text = MessageOf(status);
    if (text.find("Code 73:") == std::string::npos || text.find("ArrowStream") == std::string::npos) return status;
    return WithKind(status, ErrorKind::kUnsupported,
                    "this server is too old, or was built without Arrow: insert into a newer ClickHouse");
  }

  HttpSession::Statement StatementOf(std::string sql, const QueryOptions& options) const {
    HttpSession::Statement statement;
    statement.sql = std::move(sql);
    statement.query_id = options.query_id.empty() ? "calve-" + RandomUuid() : options.query_id;
    statement.comment = options.comment;
    statement.traceparent = options.traceparent;
    statement.settings = options.settings;
    statement.settings.insert(settings_.begin(), settings_.end());
    return statement;
  }

  template <typename Try>
  Status Retry(HttpSession::Statement* statement, const QueryOptions& options, Try try_once) {
    using std::chrono::steady_clock;
    const RetryPolicy policy{session_->attempts_max(), 100, 10'000, 300'000};
    const std::string query_id = statement->query_id;
    const auto began = steady_clock::now();
    for (int attempt = 1;; ++attempt) {
      // The server may still be at work on the try before: it would refuse a second query of the same id.
      if (attempt > 1) statement->query_id = fmt::format("{}-{}", query_id, attempt);
      bool not_begun = false;
      const Status status = try_once(&not_begun);
      if (KindOf(status) != ErrorKind::kRetry || status.ok()) return status;
      if (!statement->is_query && !not_begun) {
        return WithKind(WithContext(status, "it is not known whether the statement was executed"),
                        ErrorKind::kUnknownOutcome, RemedyOf(status));
      }
      const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began).count();
      if (!policy.MayTry(attempt + 1, elapsed)) {
        return attempt == 1 ? status : WithContext(status, fmt::format("given up after {} attempts", attempt));
      }
      if (options.on_retry) options.on_retry(statement->query_id, attempt, status);
      ARROW_RETURN_NOT_OK(session_->Wait(policy.WaitMs(attempt + 1, RandomUnit())));
    }
  }

  std::shared_ptr<HttpSession> session_;
  const std::map<std::string, std::string> settings_;
};

Status CheckOptions(const SourceUrl& url, const SourceOptions& options) {
  constexpr std::array<std::string_view, 5> kKnown = {"auto", "none", "gzip", "zstd", "lz4"};
  if (std::find(kKnown.begin(), kKnown.end(), options.compression) == kKnown.end()) {
    return MakeError(ErrorKind::kConfig, "the source's compression '" + options.compression + "' is not known",
                     "use auto, none, gzip, zstd or lz4");
  }
  for (const std::string* value : {&url.user, &options.password}) {
    if (value->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return MakeError(ErrorKind::kConfig, "the source's user or password holds a line break",
                       "see whether the password file has more than one line");
    }
  }
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<Source>> OpenHttpSource(const SourceUrl& url, const SourceOptions& options,
                                               const StopToken& stop) {
  ARROW_RETURN_NOT_OK(CheckOptions(url, options));
  auto settings = options.settings;
  settings.insert(url.settings.begin(), url.settings.end());
  ARROW_RETURN_NOT_OK(SettingsOffer(kNativeRevision).CheckCallers(settings));
  return std::make_unique<HttpSource>(std::make_shared<HttpSession>(url, options, stop), std::move(settings));
}

}  // namespace calve::source
