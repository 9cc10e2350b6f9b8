#include "calve/cli/session.h"

#include <unistd.h>

#include <cstdlib>

#include "calve/base/random.h"
#include "calve/base/small_file.h"
#include "calve/cli/rest_flags.h"
#include "calve/storage/location.h"

namespace calve::cli {
namespace {

constexpr const char* kPasswordVariable = "CALVE_SOURCE_PASSWORD";
constexpr const char* kPasswordOption = "--source-password-file";
constexpr const char* kCatalogPasswordVariable = "CALVE_CATALOG_PASSWORD";
constexpr const char* kCatalogPasswordOption = "--catalog-password-file";
constexpr const char* kStatePasswordVariable = "CALVE_STATE_PASSWORD";
constexpr const char* kStatePasswordOption = "--state-password-file";

// From the file, else from the environment; a trailing line break is not part of it.
Result<std::string> ReadPassword(const std::string& file, const char* option, const char* variable) {
  if (file.empty()) {
    const char* value = std::getenv(variable);
    return std::string(value ? value : "");
  }
  auto text = ReadSmallFile(file, "the password file");
  if (text.ok()) return text;
  return WithKind(text.status(), ErrorKind::kConfig, fmt::format("Check {} and the file's rights.", option));
}

// Empty where none is named and none can stand beside the warehouse.
std::string JournalUri(const std::string& state, const std::string& warehouse) {
  if (!state.empty()) return state;
  const std::string path =
      warehouse.empty() ? "" : storage::LocalPath(storage::JoinLocation(warehouse, "calve-journal.db"));
  return path.empty() ? "" : "sqlite:///" + path;
}

Status NoJournal(const config::CatalogConfig& catalog) {
  return MakeError(ErrorKind::kConfig,
                   catalog.warehouse.empty()
                       ? std::string("no journal is named, and there is no warehouse for it to stand beside")
                       : fmt::format("no journal can stand beside the warehouse {}", catalog.warehouse),
                   "Name one with --state: sqlite:////path/journal.db or postgresql://user@host/database.");
}

std::string FromEnvironment(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

catalog::RestOptions RestOptionsOf(const config::CatalogConfig& catalog) {
  catalog::RestOptions rest;
  rest.uri = catalog.uri;
  rest.credential.file = catalog.credential_file;
  rest.token.file = catalog.token_file;
  if (!rest.credential.is_given() && !rest.token.is_given()) {  // what is named goes before what is lying about
    rest.credential.value = FromEnvironment("CALVE_CATALOG_CREDENTIAL");
    rest.token.value = FromEnvironment("CALVE_CATALOG_TOKEN");
  }
  rest.oauth2_server_uri = catalog.oauth2_server_uri;
  rest.scope = catalog.scope;
  rest.audience = catalog.audience;
  rest.resource = catalog.resource;
  rest.headers = catalog.headers;
  rest.signing_region = catalog.sigv4.region;
  rest.signing_service = catalog.sigv4.service;
  if (!catalog.vended_credentials) rest.access_delegation.clear();
  rest.ca_file = catalog.ca_file;
  rest.cert_file = catalog.cert_file;
  rest.key_file = catalog.key_file;
  rest.connect_timeout_ms = catalog.connect_timeout_micros / 1000;
  rest.idle_timeout_ms = catalog.idle_timeout_micros / 1000;
  return rest;
}

void AddClusterFlags(CLI::App& command, SourceFlags& flags) {
  const char* group = "Source: a cluster (docs/clusters.md)";
  auto* name = command
                   .add_option("--cluster", flags.cluster,
                               "name of a cluster that the server knows (system.clusters): its shards are read in "
                               "parallel, each from replicas that have all rows")
                   ->envname("CALVE_CLUSTER")
                   ->group(group);
  command
      .add_option("--cluster-http-port", flags.cluster_http_port,
                  "HTTP port of the cluster's servers (default: that of --source)")
      ->check(CLI::Range(1, 65535))
      ->needs(name)
      ->group(group);
  command
      .add_option("--shard", flags.shards,
                  "in its place: the URLs of a shard's replicas, with spaces between them (repeatable, one for each "
                  "shard)")
      ->excludes(name)
      ->group(group);
  command
      .add_option("--queries-per-server", flags.queries_per_server,
                  "at most so many queries read rows from a server at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--replica-wait", flags.replica_wait,
                  "wait for a replica that has not yet fetched all rows at most so long, then do not read from it")
      ->capture_default_str()
      ->group(group);
}

}  // namespace

void AddSourceFlags(CLI::App& command, SourceFlags& flags) {
  const char* group = "Source";
  command
      .add_option("--source", flags.url,
                  "ClickHouse: http(s)://user@host:8123/db, or chdb:DIR for an embedded database")
      ->required()
      ->envname("CALVE_SOURCE")
      ->group(group);
  command
      .add_option(kPasswordOption, flags.password_file,
                  fmt::format("file with the password (or the variable {})", kPasswordVariable))
      ->envname("CALVE_SOURCE_PASSWORD_FILE")
      ->group(group);
  command
      .add_option("--source-compression", flags.compression,
                  "on the wire: auto (none on loopback), none, gzip, zstd, lz4")
      ->envname("CALVE_SOURCE_COMPRESSION")
      ->check(CLI::IsMember({"auto", "none", "gzip", "zstd", "lz4"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--source-ca-file", flags.ca_file, "PEM file of the authority that signed the server's certificate")
      ->envname("CALVE_SOURCE_CA_FILE")
      ->group(group);
  command.add_option("--source-cert-file", flags.client_cert_file, "PEM file of the client's certificate")
      ->envname("CALVE_SOURCE_CERT_FILE")
      ->group(group);
  command.add_option("--source-key-file", flags.client_key_file, "PEM file of the client's key")
      ->envname("CALVE_SOURCE_KEY_FILE")
      ->group(group);
  command.add_option("--connect-timeout", flags.connect_timeout, "wait for a connection at most so long")
      ->capture_default_str()
      ->group(group);
  command.add_option("--idle-timeout", flags.idle_timeout, "give up after so long without a byte")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--setting", flags.settings,
                  "ClickHouse setting for the reading query, NAME=VALUE (repeatable), "
                  "such as max_execution_time=600 or max_threads=2")
      ->group(group);
  AddClusterFlags(command, flags);
}

void AddTargetFlags(CLI::App& command, TargetFlags& flags) {
  const char* group = "Target";
  command
      .add_option("--warehouse", flags.warehouse,
                  "where the tables' files are: file:///srv/cold, s3://bucket/cold; of a REST catalog the warehouse as "
                  "the server calls it, or nothing")
      ->envname("CALVE_WAREHOUSE")
      ->group(group);
  command
      .add_option(
          "--catalog", flags.catalog,
          "hadoop, sql (SQLite beside the warehouse), sqlite:////path/catalog.db, "
          "postgresql://user@host:5432/database?sslmode=verify-full, or a REST catalog's URL, https://host/path")
      ->envname("CALVE_CATALOG")
      ->capture_default_str()
      ->group(group);
  command.add_option("--catalog-name", flags.catalog_name, "the catalog's own name, as other engines configured it")
      ->envname("CALVE_CATALOG_NAME")
      ->group(group);
  AddRestFlags(command, flags.rest);
  command
      .add_option(kCatalogPasswordOption, flags.catalog_password_file,
                  fmt::format("file with the password of a postgresql:// catalog (or the variable {}, PGPASSWORD, "
                              "PGPASSFILE)",
                              kCatalogPasswordVariable))
      ->envname("CALVE_CATALOG_PASSWORD_FILE")
      ->group(group);
  command
      .add_option("--state", flags.state,
                  "the journal: sqlite:////path/journal.db (default: calve-journal.db in the warehouse), or "
                  "postgresql://user@host:5432/database?sslmode=verify-full, where a platform's offload_watermarks is "
                  "used as it is. A log and a cache: it can be deleted at any time")
      ->envname("CALVE_STATE")
      ->group(group);
  command
      .add_option(kStatePasswordOption, flags.state_password_file,
                  fmt::format("file with the password of a postgresql:// journal (or the variable {}, PGPASSWORD, "
                              "PGPASSFILE)",
                              kStatePasswordVariable))
      ->envname("CALVE_STATE_PASSWORD_FILE")
      ->group(group);
  AddStoreFlags(command, flags.store);
}

void AddOutputFlags(CLI::App& command, OutputFlags& flags) {
  const char* group = "Output";
  command.add_flag("--json", flags.json, "one JSON object on stdout, nothing else there")->group(group);
  command.add_option("--log-format", flags.log_format, "text or json, on stderr")
      ->envname("CALVE_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--progress", flags.progress, "auto (where stderr is a terminal), always, never")
      ->envname("CALVE_PROGRESS")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str()
      ->group(group);
  command.add_flag("-q,--quiet", flags.quiet, "errors only")->group(group);
  command.add_flag("-v,--verbose", flags.verbose, "say more")->group(group);
}

source::RunSource RunOf(source::Source& source, const std::string& table, const char* purpose, Terminal& terminal) {
  source::RunSource run(source, table, [&terminal](const Event& event) { terminal.Tell(event); });
  run.Begin(RandomUuid(), purpose);
  return run;
}

Event JournalUnavailable(const Status& error) {
  Event event = Event::Of(EventKind::kJournalUnavailable, error);
  event.SetMessage(fmt::format("the journal could not be opened, going on without: {}", MessageOf(error)));
  return event;
}

void AddConfigFlag(CLI::App& command, std::string& file) {
  command.add_option("--config", file, "the configuration file (docs/config.md)")
      ->envname("CALVE_CONFIG")
      ->capture_default_str();
}

TerminalOptions TerminalOptionsOf(const OutputFlags& flags) {
  TerminalOptions options;
  options.log_format = flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.verbosity = flags.quiet ? Verbosity::kQuiet : flags.verbose ? Verbosity::kVerbose : Verbosity::kNormal;
  options.progress = flags.progress == "always"  ? ProgressMode::kAlways
                     : flags.progress == "never" ? ProgressMode::kNever
                                                 : ProgressMode::kAuto;
  return options;
}

Result<std::map<std::string, std::string>> ParsePairs(const std::string& option,
                                                      const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> out;
  for (const std::string& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} '{}' is no NAME=VALUE", option, pair));
    }
    if (!out.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} names {} twice", option, pair.substr(0, equals)));
    }
  }
  return out;
}

Result<std::map<std::string, iceberg::Type>> ParseTypes(const std::vector<std::string>& pairs) {
  std::map<std::string, iceberg::Type> types;
  ARROW_ASSIGN_OR_RAISE(auto named, ParsePairs("--type", pairs));
  for (const auto& [name, text] : named) {
    auto type = iceberg::ParsePrimitiveType(text);
    if (!type.ok())
      return WithKind(WithContext(type.status(), "--type " + name), ErrorKind::kConfig, RemedyOf(type.status()));
    types[name] = *type;
  }
  return types;
}

Result<std::unique_ptr<source::Source>> OpenSourceOf(const SourceFlags& flags, const StopToken& stop) {
  config::SourceConfig source;
  source.url = flags.url;
  source.password_file = flags.password_file;
  source.compression = flags.compression;
  source.ca_file = flags.ca_file;
  source.cert_file = flags.client_cert_file;
  source.key_file = flags.client_key_file;
  ARROW_ASSIGN_OR_RAISE(source.connect_timeout_micros, ParseDuration(flags.connect_timeout));
  ARROW_ASSIGN_OR_RAISE(source.idle_timeout_micros, ParseDuration(flags.idle_timeout));
  source.cluster = flags.cluster;
  if (flags.cluster_http_port > 0) source.cluster_http_port = flags.cluster_http_port;
  source.shards = flags.shards;
  source.queries_per_server = flags.queries_per_server;
  ARROW_ASSIGN_OR_RAISE(source.replica_wait_micros, ParseDuration(flags.replica_wait));
  return OpenSourceOf(source, stop);
}

Result<std::unique_ptr<source::Source>> OpenSourceOf(const config::SourceConfig& source, const StopToken& stop) {
  source::SourceOptions options;
  options.url = source.url;
  options.password = source.password;
  if (options.password.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.password, ReadPassword(source.password_file, kPasswordOption, kPasswordVariable));
  }
  options.compression = source.compression;
  options.ca_file = source.ca_file;
  options.client_cert_file = source.cert_file;
  options.client_key_file = source.key_file;
  options.connect_timeout_ms = source.connect_timeout_micros / 1000;
  options.idle_timeout_ms = source.idle_timeout_micros / 1000;
  options.settings = source.settings;
  options.cluster.name = source.cluster;
  options.cluster.http_port = static_cast<int>(source.cluster_http_port.value_or(0));
  options.cluster.shards = source.shards;
  options.cluster.queries_per_server = static_cast<int>(source.queries_per_server);
  options.cluster.replica_wait_ms = source.replica_wait_micros / 1000;
  return source::OpenSource(options, stop);
}

Result<config::CatalogConfig> CatalogConfigOf(const TargetFlags& flags) {
  config::CatalogConfig catalog;
  catalog.type = flags.catalog;
  catalog.name = flags.catalog_name;
  catalog.password_file = flags.catalog_password_file;
  catalog.warehouse = flags.warehouse;
  ARROW_RETURN_NOT_OK(ApplyRestFlags(flags.rest, catalog));
  return catalog;
}

std::string WarehouseLocationOf(const config::CatalogConfig& catalog) {
  const std::string& warehouse = catalog.warehouse;
  const bool is_location = !storage::SchemeOf(warehouse).empty() || warehouse.starts_with('/');
  return is_location || !catalog.is_rest() ? warehouse : "";  // a REST catalog's may be a name
}

Result<TargetSide> OpenTargetSide(const TargetFlags& flags, const Clock& clock, const StopToken& stop, bool read_only) {
  config::Config config;
  ARROW_ASSIGN_OR_RAISE(config.catalog, CatalogConfigOf(flags));
  config.state.url = flags.state;
  config.state.password_file = flags.state_password_file;
  ARROW_ASSIGN_OR_RAISE(config.store, StoreOptionsOf(flags.store));
  return OpenTargetSide(config, clock, stop, read_only);
}

Result<std::unique_ptr<journal::Journal>> OpenJournalOf(const config::Config& config, bool read_only) {
  const config::StateConfig& state = config.state;
  const std::string uri = JournalUri(state.url, WarehouseLocationOf(config.catalog));
  constexpr std::string_view kSqlite = "sqlite:///";
  const bool is_missing =
      uri.empty() || (read_only && uri.starts_with(kSqlite) && access(uri.c_str() + kSqlite.size(), F_OK) != 0);
  if (is_missing) return nullptr;
  journal::JournalAccess access;
  access.read_only = read_only;
  access.password = state.password;
  if (access.password.empty()) {
    ARROW_ASSIGN_OR_RAISE(access.password,
                          ReadPassword(state.password_file, kStatePasswordOption, kStatePasswordVariable));
  }
  return journal::OpenJournal(uri, access);
}

Result<TargetSide> OpenTargetSide(const config::Config& config, const Clock& clock, const StopToken& stop,
                                  bool read_only) {
  const config::CatalogConfig& catalog = config.catalog;
  const config::StateConfig& state = config.state;
  TargetSide side;
  side.credentials = std::make_unique<storage::StorageCredentials>();
  const storage::FileIOContext files{config.store, side.credentials.get(), &stop, &clock};
  if (catalog.is_rest()) {
    ARROW_ASSIGN_OR_RAISE(side.file_io, storage::OpenFileIO(files));
  } else {
    ARROW_ASSIGN_OR_RAISE(side.file_io, storage::OpenFileIO(catalog.warehouse, files));
  }
  catalog::CatalogOptions options{catalog.type, catalog.warehouse, catalog.name, catalog.password};
  if (options.password.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.password,
                          ReadPassword(catalog.password_file, kCatalogPasswordOption, kCatalogPasswordVariable));
  }
  options.rest = RestOptionsOf(catalog);
  options.vended = side.credentials.get();
  options.stop = &stop;
  ARROW_ASSIGN_OR_RAISE(side.catalog, catalog::OpenCatalog(options, *side.file_io, clock));
  auto journal = OpenJournalOf(config, read_only);
  if (journal.ok() && !*journal && !read_only) return NoJournal(catalog);
  if (journal.ok()) {
    side.journal = std::move(*journal);
  } else if (KindOf(journal.status()) == ErrorKind::kConfig && !state.url.empty()) {
    return journal.status();  // named by the operator, and wrong
  } else {
    side.journal_error = journal.status();
  }
  return side;
}

}  // namespace calve::cli
