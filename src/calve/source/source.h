// ClickHouse as a source: a query in, blocks of columns out. Two transports (HTTP, embedded), one decoder of FORMAT
// Native.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/base/stop.h"

namespace calve::source {

struct QueryOptions {
  std::string query_id;                         // empty: one is made
  std::map<std::string, std::string> settings;  // max_execution_time, max_threads, …
  bool takes_format = true;                     // false: the statement has no FORMAT clause (CHECK GRANT)
  // What goes with a query to a server that takes it: log_comment, and W3C's trace context.
  std::string comment = {}, traceparent = {};
  // A try failed and another follows; `query_id` is that of the one that failed. From the thread that asks.
  std::function<void(const std::string& query_id, int attempt, const Status& status)> on_retry = nullptr;
};

// Blocks of one running query, in the order in which ClickHouse delivers them. Not thread-safe. Destroying it before
// the end cancels the query.
class BlockStream {
 public:
  virtual ~BlockStream() = default;
  // The next block with rows; null at the proven end of the result. After an error nothing more may be asked.
  // kRetry: connection lost or server gone in the middle (the rows so far are worthless). kFailed/kConfig: the server's
  // own exception, its text and code in the message, also where it came in the middle of the stream. kCorrupt:
  // undecodable bytes.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
  // Bytes taken off the wire so far, before decompression.
  virtual int64_t bytes_read() const = 0;
  // How much of the time in Next was spent waiting for bytes (and decompressing them); 0 where nobody measures.
  virtual double wait_seconds() const { return 0; }
};

// Rows to insert, batch by batch, all of one schema; null at the end. Called from the thread that calls Insert.
using BatchProducer = std::function<Result<std::shared_ptr<arrow::RecordBatch>>()>;

// INSERT INTO <into> <select> FROM <the rows that are handed over>
struct Insertion {
  std::string into;       // "`db`.`t` (`a`, `b`)"
  std::string select;     // "SELECT c1, CAST(c2, 'UUID')": over the columns of `structure`
  std::string structure;  // names and ClickHouse types of the batches' columns: "c1 Int32, c2 FixedString(16)"
};

// Thread-safe; queries may run side by side, each on a connection of its own. Streams may outlive it.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::string name() const = 0;      // for messages; never a secret in it
  virtual std::string database() const = 0;  // where unqualified tables are looked for
  // Runs a SELECT, or what else has rows, without a FORMAT clause. Failures before the first byte are retried within
  // limits.
  virtual Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) = 0;
  // A statement without a result (DDL, INSERT … SELECT). Tried again only where the server has certainly not begun it;
  // kUnknownOutcome where that cannot be known.
  virtual Status Execute(const std::string& sql, const QueryOptions& options) = 0;
  // Streams rows into a table (FORMAT ArrowStream); nothing at all is done where there is no batch, which may be one
  // without rows. Never tried again. An INSERT is not atomic: after an error some of the rows may be in, and
  // kUnknownOutcome says that all of them may be, or still be on their way. Errors of the producer are returned as they
  // are. kUnsupported where the server cannot read ArrowStream.
  virtual Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) = 0;
};

struct SourceOptions {
  // http(s)://user@host:8123/db, chdb:DIR (database "default" unless chdb:DIR?database=d)
  std::string url;
  std::string password;              // from the environment or a file; never from the URL's text in messages
  std::string compression = "auto";  // auto (none on loopback, else zstd), none, gzip, zstd, lz4
  std::string ca_file;               // PEM; empty: the system's
  std::string client_cert_file, client_key_file;
  int64_t connect_timeout_ms = 10'000;
  int64_t idle_timeout_ms = 300'000;            // without a byte
  int attempts_max = 4;                         // before the first byte
  std::map<std::string, std::string> settings;  // sent with every query
  std::string chdb_library;                     // path of libchdb.so; empty: beside the program, then the usual places
};

// `stop` must outlive the source; a stop ends waiting calls with kStopped.
Result<std::unique_ptr<Source>> OpenSource(const SourceOptions& options, const StopToken& stop);

}  // namespace calve::source
