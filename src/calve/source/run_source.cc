#include "calve/source/run_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

namespace calve::source {
namespace {

using Steady = std::chrono::steady_clock;
double SecondsFrom(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// A query that was named, and what will be told of it.
struct NamedQuery {
  std::string run_id, purpose, query_id;
  Steady::time_point began = Steady::now();

  Event Told(EventKind kind, std::string message) const {
    Event event(kind, std::move(message));
    event.Set(EventField::kQueryId, query_id).Set(EventField::kRun, run_id).Set(EventField::kPurpose, purpose);
    return event;
  }
  Event Failed(const Status& status) const {
    Event event =
        Told(EventKind::kQueryFailed, fmt::format("query {} ({}) failed: {}", query_id, purpose, MessageOf(status)));
    event.Set(EventField::kDurationSeconds, SecondsFrom(began));
    return event.Set(EventField::kErrorKind, std::string(ErrorKindName(KindOf(status))));
  }
  Event Done(int64_t rows, int64_t bytes) const {
    const double seconds = SecondsFrom(began);
    Event event = Told(EventKind::kQueryDone, fmt::format("query {} ({}): {} rows, {} bytes in {:.3f} s", query_id,
                                                          purpose, rows, bytes, seconds));
    return event.Set(EventField::kRows, rows).Set(EventField::kBytes, bytes).Set(EventField::kDurationSeconds, seconds);
  }
};

}  // namespace

struct RunSource::Run {
  std::string about;
  TellEvent tell;
  std::string run_id, purpose = "plan";
  std::atomic<uint64_t> queries{0};

  // The query's id, and what goes with it.
  NamedQuery Name(QueryOptions& options) {
    const uint64_t number = ++queries;
    if (options.query_id.empty()) options.query_id = fmt::format("calve-{}-{}", run_id, number);
    const nlohmann::ordered_json comment = {{"by", "calve"}, {"run", run_id}, {"table", about}, {"purpose", purpose}};
    options.comment = comment.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    options.traceparent = TraceparentOf(run_id, number);
    NamedQuery named{run_id, purpose, options.query_id};
    options.on_retry = [named, tell = tell](const std::string& query_id, int attempt, const Status& status) {
      NamedQuery tried = named;
      tried.query_id = query_id;
      Event event =
          tried.Told(EventKind::kQueryRetried, fmt::format("query {} ({}): try {} failed, trying again: {}", query_id,
                                                           named.purpose, attempt, MessageOf(status)));
      event.Set(EventField::kTry, attempt).Set(EventField::kErrorKind, std::string(ErrorKindName(KindOf(status))));
      tell(event);
    };
    return named;
  }
};

// Tells once how the query ended; one that is cancelled ended without a word.
class RunSource::Stream : public BlockStream {
 public:
  Stream(std::unique_ptr<BlockStream> inner, std::shared_ptr<Run> run, NamedQuery named)
      : inner_(std::move(inner)), run_(std::move(run)), named_(std::move(named)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    auto batch = inner_->Next();
    if (batch.ok() && *batch) {
      rows_ += (*batch)->num_rows();
    } else if (!std::exchange(told_, true)) {
      run_->tell(batch.ok() ? named_.Done(rows_, inner_->bytes_read()) : named_.Failed(batch.status()));
    }
    return batch;
  }
  int64_t bytes_read() const override { return inner_->bytes_read(); }
  double wait_seconds() const override { return inner_->wait_seconds(); }

 private:
  const std::unique_ptr<BlockStream> inner_;
  const std::shared_ptr<Run> run_;
  const NamedQuery named_;
  int64_t rows_ = 0;
  bool told_ = false;
};

RunSource::RunSource(Source& inner, std::string about, TellEvent tell) : inner_(inner), run_(std::make_shared<Run>()) {
  run_->about = std::move(about);
  run_->tell = std::move(tell);
}

RunSource::~RunSource() = default;

void RunSource::Begin(std::string run_id, std::string purpose) {
  run_->run_id = std::move(run_id);
  run_->purpose = std::move(purpose);
  run_->queries = 0;
}

void RunSource::SetPurpose(std::string purpose) { run_->purpose = std::move(purpose); }

const std::string& RunSource::run_id() const { return run_->run_id; }

Result<std::unique_ptr<BlockStream>> RunSource::Query(const std::string& sql, const QueryOptions& options) {
  QueryOptions with_id = options;
  NamedQuery named = run_->Name(with_id);
  auto stream = inner_.Query(sql, with_id);
  if (!stream.ok()) {
    run_->tell(named.Failed(stream.status()));
    return stream.status();
  }
  return std::make_unique<Stream>(std::move(*stream), run_, std::move(named));
}

Status RunSource::Execute(const std::string& sql, const QueryOptions& options) {
  QueryOptions with_id = options;
  const NamedQuery named = run_->Name(with_id);
  const Status status = inner_.Execute(sql, with_id);
  run_->tell(status.ok() ? named.Done(0, 0) : named.Failed(status));
  return status;
}

Status RunSource::Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) {
  QueryOptions with_id = options;
  const NamedQuery named = run_->Name(with_id);
  int64_t sent = 0;
  const BatchProducer counted = [&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
    auto batch = rows();
    if (batch.ok() && *batch) sent += (*batch)->num_rows();
    return batch;
  };
  const Status status = inner_.Insert(insertion, counted, with_id);
  run_->tell(status.ok() ? named.Done(sent, 0) : named.Failed(status));
  return status;
}

std::string TraceparentOf(const std::string& run_id, uint64_t number) {
  std::string trace = run_id;
  std::erase(trace, '-');
  const bool is_hex = std::ranges::all_of(
      trace, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f'); });
  if (trace.size() != 32 || !is_hex || number == 0) return "";
  return fmt::format("00-{}-{:016x}-01", trace, number);
}

}  // namespace calve::source
