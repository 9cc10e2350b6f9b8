// What a configuration file says, as plain values: all that `calve run` and `calve serve` work from. The members' own
// initialisers are the defaults that schema and reference show. Durations are in microseconds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/catalog/catalog.h"
#include "calve/iceberg/type.h"
#include "calve/objectstore/store_options.h"
#include "calve/offload/column_plan.h"
#include "calve/offload/mode.h"

namespace calve::config {

inline constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;

struct SourceConfig {
  std::string url;       // never with a password
  std::string password;  // that the environment put into the URL; empty: password_file, else CALVE_SOURCE_PASSWORD
  std::string
      password_file;  // of files, here and below: relative ones are already joined to the configuration's folder
  std::string compression = "auto";
  std::string ca_file, cert_file, key_file;
  int64_t connect_timeout_micros = 10 * kMicrosPerSecond;
  int64_t idle_timeout_micros = 5 * kMicrosPerMinute;
  std::map<std::string, std::string> settings;
  // A cluster: its name in the server's system.clusters, or its shards, each the URLs of its replicas.
  std::string cluster;
  std::optional<int64_t> cluster_http_port;  // the URL's where it is not given
  std::vector<std::string> shards;
  int64_t queries_per_server = 4;
  int64_t replica_wait_micros = 30 * kMicrosPerSecond;
  friend bool operator==(const SourceConfig&, const SourceConfig&) = default;
};

// AWS Signature Version 4 of requests to a REST catalog.
struct SigningConfig {
  std::string region;  // empty: they are not signed
  std::string service = "execute-api";
  friend bool operator==(const SigningConfig&, const SigningConfig&) = default;
};

struct CatalogConfig {
  std::string type = "hadoop";  // hadoop, sql, rest or a URI: what catalog::OpenCatalog takes
  std::string password;         // as SourceConfig's
  std::string name;             // the catalog's own name; may be empty
  std::string warehouse;
  std::string password_file = {};  // of a database's password
  // Of a REST catalog: catalog::RestOptions.
  std::string uri = {};  // of the type rest; empty where `type` is the URI itself
  std::string credential_file = {}, token_file = {}, oauth2_server_uri = {};
  std::string scope = "catalog", audience = {}, resource = {};
  std::map<std::string, std::string> headers = {};
  SigningConfig sigv4 = {};
  bool vended_credentials = true;
  std::string ca_file = {}, cert_file = {}, key_file = {};
  int64_t connect_timeout_micros = 10 * kMicrosPerSecond;
  int64_t idle_timeout_micros = kMicrosPerMinute;

  bool is_rest() const { return catalog::IsRestCatalog(type) || !uri.empty(); }
  friend bool operator==(const CatalogConfig&, const CatalogConfig&) = default;
};

struct StateConfig {
  std::string url;       // never with a password; empty: beside the warehouse
  std::string password;  // as SourceConfig's
  std::string password_file;
  friend bool operator==(const StateConfig&, const StateConfig&) = default;
};

// When `calve serve` tries a table again that failed (schedule/table_health.h).
struct RetryConfig {
  int64_t wait_min_micros = 15 * kMicrosPerSecond;
  int64_t wait_max_micros = 5 * kMicrosPerMinute;
  int64_t put_aside_after = 5;  // failures in a row
  int64_t aside_min_micros = 10 * kMicrosPerMinute;
  int64_t aside_max_micros = 240 * kMicrosPerMinute;
  friend bool operator==(const RetryConfig&, const RetryConfig&) = default;
};

struct ScheduleConfig {
  int64_t every_micros = 15 * kMicrosPerMinute;  // where `cron` is empty
  std::string cron;                              // five fields
  std::string timezone = "UTC";                  // an IANA name; of `cron`, and where `every` counts days from
  int64_t offset_micros = 0;                     // cycles begin so long after the multiples of `every`
  // Between cycles, each table is maintained so long after it was; nothing given: never.
  std::optional<int64_t> maintain_every_micros = {};
  RetryConfig retry = {};
  friend bool operator==(const ScheduleConfig&, const ScheduleConfig&) = default;
};

// The server is busy as long as one of these is passed. Nothing given: cycles never wait.
struct PauseConfig {
  std::optional<int64_t> running_queries;  // of all users
  std::optional<int64_t> memory_percent;   // of the memory that the server may use
  int64_t longest_micros = 10 * kMicrosPerMinute;
  friend bool operator==(const PauseConfig&, const PauseConfig&) = default;
};

// Of a cycle as a whole. max_threads and priority have gone into the tables' settings already.
struct LimitsConfig {
  int64_t tables = 4;  // at once
  int64_t memory_bytes = int64_t{1} << 30;
  std::optional<int64_t> connections;  // to ClickHouse at once; none: as many as the tables need
  std::optional<int64_t> max_threads;
  std::optional<int64_t> priority;
  PauseConfig pause_when;
  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

// A certificate with its key; both empty: no TLS.
struct TlsConfig {
  std::string cert_file, key_file;
  friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

// Where `calve serve` answers, and to whom; and where commands that end leave their metrics.
struct ServeConfig {
  std::string listen = "127.0.0.1:9765";  // "off": nowhere
  std::string token_file = {};            // empty: CALVE_SERVE_TOKEN
  bool public_read = false;               // elsewhere than on loopback, too, reading needs no token
  std::vector<std::string> host_names = {};
  TlsConfig tls = {};
  friend bool operator==(const ServeConfig&, const ServeConfig&) = default;
};
struct MetricsConfig {
  std::string directory;  // empty: none
  friend bool operator==(const MetricsConfig&, const MetricsConfig&) = default;
};

// Where a notification goes: a webhook or an Alertmanager.
struct EndpointConfig {
  std::string url, url_file;                   // one of them
  std::map<std::string, std::string> headers;  // that are no secrets
  std::string headers_file, ca_file;
  int64_t timeout_micros = 10 * kMicrosPerSecond;
  int64_t hold_micros = kMicrosPerDay;  // of an Alertmanager
  friend bool operator==(const EndpointConfig&, const EndpointConfig&) = default;
};
struct NotifyTargetConfig {
  std::optional<EndpointConfig> webhook, alertmanager;  // one of them
  friend bool operator==(const NotifyTargetConfig&, const NotifyTargetConfig&) = default;
};
struct NotifyConfig {
  int64_t after = 1;  // failures in a row
  int64_t repeat_micros = 240 * kMicrosPerMinute;
  std::string state_file;  // empty: beside the journal or the warehouse, where these are files
  std::map<std::string, NotifyTargetConfig> targets;
  friend bool operator==(const NotifyConfig&, const NotifyConfig&) = default;
};

struct CursorConfig {
  std::string timestamp;
  std::string sequence;       // may be empty
  int64_t covers_micros = 0;  // a row stands for so long a time from its timestamp on
  friend bool operator==(const CursorConfig&, const CursorConfig&) = default;
};

struct ColumnConfig {
  std::string expr;                   // ClickHouse expression; empty: the column itself
  std::optional<iceberg::Type> type;  // asked for
  std::string rename;                 // name in the target; empty: the same
  bool exclude = false;               // whatever else is said about the column
  friend bool operator==(const ColumnConfig&, const ColumnConfig&) = default;
};

// A value as YAML spells it.
struct Scalar {
  enum class Kind { kText, kNumber, kBoolean };
  Kind kind = Kind::kText;
  std::string text;
  friend bool operator==(const Scalar&, const Scalar&) = default;
};

struct ConstantConfig {
  std::optional<Scalar> value;
  std::string expr;                   // in place of `value`
  std::optional<iceberg::Type> type;  // asked for

  std::string Expression() const;  // ClickHouse SQL for either
  friend bool operator==(const ConstantConfig&, const ConstantConfig&) = default;
};

// The most that one commit takes; 0: no limit. As `calve offload` has it.
struct ChunkConfig {
  int64_t rows = 50'000'000;
  int64_t bytes = int64_t{16} << 30;  // on ClickHouse's disk
  friend bool operator==(const ChunkConfig&, const ChunkConfig&) = default;
};

// A window with more rows is written by a program that takes the lines of its slices and answers with what it wrote.
struct DistributeConfig {
  int64_t rows_above = 50'000'000;
  int64_t slice_rows = 5'000'000;    // at most about so many a slice
  std::vector<std::string> command;  // the program and its arguments
  int64_t timeout_micros = 6 * 60 * kMicrosPerMinute;
  friend bool operator==(const DistributeConfig&, const DistributeConfig&) = default;
};

// What maintenance does to a table. A number that is not given is the table's own property, or Iceberg's default.
struct MaintainConfig {
  bool compact = true;
  std::optional<int64_t> target_bytes = {};  // of data files
  int64_t files_min = 3;                     // small ones of a partition, to be compacted
  bool manifests = true;
  bool expire = true;
  std::optional<int64_t> snapshot_age_micros = {};  // older ones are ended
  std::optional<int64_t> keep_snapshots = {};       // of each branch, however old
  bool statistics = false;                          // reads every row
  bool orphans = true;
  int64_t orphan_age_micros = 3 * kMicrosPerDay;  // younger ones are left alone
  friend bool operator==(const MaintainConfig&, const MaintainConfig&) = default;
};

// Where to begin with a target that has rows which calve did not put there.
struct StartFrom {
  bool beginning = false;
  std::optional<TimestampMicros> time;
  friend bool operator==(const StartFrom&, const StartFrom&) = default;
};

// One table, with what `defaults` says already in it.
struct TableConfig {
  std::string name;    // unique in the file
  std::string source;  // "table" or "db.table"; empty where there is a query
  std::string query;   // a SELECT in its place
  catalog::TableIdent target;
  std::string layer;               // may be empty
  std::vector<std::string> after;  // names of tables; resolved: with the layer's own where none are given
  CursorConfig cursor;
  offload::Mode mode = offload::Mode::kAuto;
  std::vector<std::string> key;
  std::vector<std::string> partition_by, sort_by;
  int64_t buffer_micros = 5 * kMicrosPerMinute;
  int64_t lookback_micros = 2 * kMicrosPerDay;
  int64_t lease_micros = 10 * kMicrosPerMinute;
  StartFrom start_from;
  std::string where;  // SQL condition; may be empty
  std::map<std::string, ColumnConfig> columns;
  std::map<std::string, ConstantConfig> constants;
  offload::NewColumns new_columns = offload::NewColumns::kAdd;
  std::map<std::string, std::string> properties, settings;
  std::string view;          // may be empty
  int64_t memory_bytes = 0;  // resolved: never 0 once loaded
  ChunkConfig chunk;
  int64_t readers = 1;                              // queries that read one window at once
  std::optional<DistributeConfig> distribute = {};  // once loaded: with a command
  MaintainConfig maintain = {};
  friend bool operator==(const TableConfig&, const TableConfig&) = default;
};

// What a cycle commits in one step.
enum class CommitUnit { kEachTable, kCycle };

struct Config {
  std::string file;
  SourceConfig source;
  CatalogConfig catalog;
  objectstore::StoreOptions store;
  CommitUnit commit = CommitUnit::kEachTable;
  StateConfig state;
  ScheduleConfig schedule;
  LimitsConfig limits;
  ServeConfig serve;
  MetricsConfig metrics;
  NotifyConfig notify;
  std::vector<TableConfig> tables;  // as in the file: at least one, no cycle in `after`
  // Values that came from the environment, by path ("tables[1].where"), as the file has them: what may be shown.
  std::map<std::string, std::string> as_written;
};

}  // namespace calve::config
