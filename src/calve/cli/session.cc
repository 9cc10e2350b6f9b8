#include "calve/cli/session.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace calve::cli {
namespace {

constexpr const char* kPasswordVariable = "CALVE_SOURCE_PASSWORD";
constexpr const char* kPasswordOption = "--source-password-file";
constexpr const char* kStatePasswordVariable = "CALVE_STATE_PASSWORD";
constexpr const char* kStatePasswordOption = "--state-password-file";

// From the file, else from the environment; a trailing line break is not part of it.
Result<std::string> ReadPassword(const std::string& file, const char* option, const char* variable) {
  if (file.empty()) {
    const char* value = std::getenv(variable);
    return std::string(value ? value : "");
  }
  std::ifstream in(file);
  if (!in) {
    return MakeError(ErrorKind::kConfig, fmt::format("the password file {} cannot be read", file),
                     fmt::format("Check {} and the file's rights.", option));
  }
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::string> JournalUri(const TargetFlags& flags) {
  if (!flags.state.empty()) return flags.state;
  std::string path = storage::LocalPath(storage::JoinLocation(flags.warehouse, "calve-journal.db"));
  if (path.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("no journal can stand beside the warehouse {}", flags.warehouse),
                     "Name one with --state: sqlite:////path/journal.db or postgresql://user@host/database.");
  }
  return "sqlite:///" + path;
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
}

void AddTargetFlags(CLI::App& command, TargetFlags& flags) {
  const char* group = "Target";
  command.add_option("--warehouse", flags.warehouse, "where the tables' files are: file:///srv/cold")
      ->required()
      ->envname("CALVE_WAREHOUSE")
      ->group(group);
  command
      .add_option("--catalog", flags.catalog,
                  "hadoop, sql (SQLite beside the warehouse), or sqlite:////path/catalog.db")
      ->envname("CALVE_CATALOG")
      ->capture_default_str()
      ->group(group);
  command.add_option("--catalog-name", flags.catalog_name, "the catalog's own name, as other engines configured it")
      ->envname("CALVE_CATALOG_NAME")
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
  source::SourceOptions options;
  options.url = flags.url;
  ARROW_ASSIGN_OR_RAISE(options.password, ReadPassword(flags.password_file, kPasswordOption, kPasswordVariable));
  options.compression = flags.compression;
  options.ca_file = flags.ca_file;
  options.client_cert_file = flags.client_cert_file;
  options.client_key_file = flags.client_key_file;
  ARROW_ASSIGN_OR_RAISE(int64_t connect, ParseDuration(flags.connect_timeout));
  ARROW_ASSIGN_OR_RAISE(int64_t idle, ParseDuration(flags.idle_timeout));
  options.connect_timeout_ms = connect / 1000;
  options.idle_timeout_ms = idle / 1000;
  return source::OpenSource(options, stop);
}

Result<TargetSide> OpenTargetSide(const TargetFlags& flags, const Clock& clock, bool read_only) {
  TargetSide side;
  ARROW_ASSIGN_OR_RAISE(side.file_io, storage::OpenFileIO(flags.warehouse));
  catalog::CatalogOptions options{flags.catalog, flags.warehouse, flags.catalog_name};
  ARROW_ASSIGN_OR_RAISE(side.catalog, catalog::OpenCatalog(options, *side.file_io, clock));
  ARROW_ASSIGN_OR_RAISE(std::string uri, JournalUri(flags));
  constexpr std::string_view kSqlite = "sqlite:///";
  if (read_only && uri.starts_with(kSqlite) && access(uri.c_str() + kSqlite.size(), F_OK) != 0) return side;
  journal::JournalAccess access;
  access.read_only = read_only;
  ARROW_ASSIGN_OR_RAISE(access.password,
                        ReadPassword(flags.state_password_file, kStatePasswordOption, kStatePasswordVariable));
  auto journal = journal::OpenJournal(uri, access);
  if (journal.ok()) {
    side.journal = std::move(*journal);
  } else if (KindOf(journal.status()) == ErrorKind::kConfig && !flags.state.empty()) {
    return journal.status();  // named by the operator, and wrong
  } else {
    side.journal_error = journal.status();
  }
  return side;
}

}  // namespace calve::cli
