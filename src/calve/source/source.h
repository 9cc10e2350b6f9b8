// ClickHouse as a source: a query in, blocks of columns out. Two transports (HTTP, embedded), one decoder of FORMAT
// Native.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/stop.h"

namespace calve::source {

// Which servers of a cluster a query is for. One server is all there is to any other source.
enum class Scope {
  kUnsaid,      // refused by a cluster: the answer of one shard would be taken for that of the table
  kAnyServer,   // all servers answer alike: expressions of constants
  kEveryShard,  // rows: those of all shards, in no particular order. Not for what ClickHouse sums up
};

// By shard: names of the servers that may be asked (ClusterShape). A shard without one: any of its servers.
using ShardServers = std::vector<std::vector<std::string>>;

struct QueryOptions {
  std::string query_id;                         // empty: one is made
  std::map<std::string, std::string> settings;  // max_execution_time, max_threads, …
  bool takes_format = true;                     // false: the statement has no FORMAT clause (CHECK GRANT)
  // What goes with a query to a server that takes it: log_comment, and W3C's trace context.
  std::string comment = {}, traceparent = {};
  // A try failed and another follows; `query_id` is that of the one that failed. From the thread that asks.
  std::function<void(const std::string& query_id, int attempt, const Status& status)> on_retry = nullptr;
  Scope scope = Scope::kUnsaid;
  std::optional<int> shard = std::nullopt;  // the query is for this one
  // Of a cluster, each server is tried once, and not at all where it failed a moment ago: who asks goes on without it.
  bool once = false;
  std::shared_ptr<const ShardServers> among = nullptr;  // null: any server of the shard
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

// The servers of a cluster by shard: "http://host:8123".
struct ClusterShape {
  std::string name;  // as its description calls it; "cluster" where it was spelled out
  bool is_named = false;
  ShardServers shards;
  int64_t replica_wait_ms = 30'000;  // a replica that lags is waited for so long
};

// What a source that is a cluster can tell of itself. Thread-safe.
class Cluster {
 public:
  virtual ~Cluster() = default;
  // As it was last seen; asks where it never was.
  virtual Result<std::shared_ptr<const ClusterShape>> Shape() = 0;
  // Asks again: a shard that was added has rows, too.
  virtual Result<std::shared_ptr<const ClusterShape>> Refresh() = 0;
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
  // Null: one server.
  virtual Cluster* cluster() { return nullptr; }
};

// The source is a cluster where it has a name or shards. `SourceOptions::url` then names a server that knows the
// cluster of that name, and the user, database and settings for all of them.
struct ClusterOptions {
  std::string name;   // of system.clusters
  int http_port = 0;  // of its servers, which system.clusters does not tell; 0: the URL's
  // In its place: one entry for each shard, the URLs of its replicas with spaces between them.
  std::vector<std::string> shards;
  int queries_per_server = 4;  // that read rows, at once
  int64_t replica_wait_ms = 30'000;

  bool given() const { return !name.empty() || !shards.empty(); }
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
  ClusterOptions cluster;
};

// `stop` must outlive the source; a stop ends waiting calls with kStopped.
Result<std::unique_ptr<Source>> OpenSource(const SourceOptions& options, const StopToken& stop);

}  // namespace calve::source
