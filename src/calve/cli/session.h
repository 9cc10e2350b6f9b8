// Options that commands share, and what they open: the composition root.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/catalog/catalog.h"
#include "calve/cli/store_flags.h"
#include "calve/cli/terminal.h"
#include "calve/config/config.h"
#include "calve/journal/journal.h"
#include "calve/source/run_source.h"
#include "calve/storage/file_io.h"

namespace calve::cli {

struct SourceFlags {
  std::string url;
  std::string password_file;
  std::string compression = "auto";
  std::string ca_file, client_cert_file, client_key_file;
  std::string connect_timeout = "10s", idle_timeout = "5m";
  std::vector<std::string> settings;  // k=v
  std::string cluster;
  int cluster_http_port = 0;
  std::vector<std::string> shards;
  int queries_per_server = 4;
  std::string replica_wait = "30s";
};

// Of REST catalogs.
struct RestFlags {
  std::string credential_file, token_file, oauth2_server_uri;
  std::string scope = "catalog", audience, resource;
  std::vector<std::string> headers;  // k=v
  std::string signing_region, signing_service = "execute-api";
  bool own_credentials = false;
  std::string ca_file, cert_file, key_file;
  std::string connect_timeout = "10s", idle_timeout = "1m";
};

struct TargetFlags {
  std::string catalog = "hadoop";
  std::string catalog_name;
  std::string catalog_password_file;
  RestFlags rest;
  std::string warehouse;
  std::string state;
  std::string state_password_file;
  StoreFlags store;
};

struct OutputFlags {
  bool json = false;
  bool quiet = false, verbose = false;
  std::string log_format = "text";
  std::string progress = "auto";
};

void AddSourceFlags(CLI::App& command, SourceFlags& flags);
void AddTargetFlags(CLI::App& command, TargetFlags& flags);
void AddOutputFlags(CLI::App& command, OutputFlags& flags);

TerminalOptions TerminalOptionsOf(const OutputFlags& flags);

// "k=v" pairs; kConfig names the option and what does not parse.
Result<std::map<std::string, std::string>> ParsePairs(const std::string& option, const std::vector<std::string>& pairs);
// --type NAME=TYPE.
Result<std::map<std::string, iceberg::Type>> ParseTypes(const std::vector<std::string>& pairs);

Result<std::unique_ptr<source::Source>> OpenSourceOf(const SourceFlags& flags, const StopToken& stop);
Result<std::unique_ptr<source::Source>> OpenSourceOf(const config::SourceConfig& source, const StopToken& stop);

// The catalog as the configuration file would name it.
Result<config::CatalogConfig> CatalogConfigOf(const TargetFlags& flags);
// Where nothing else is said, the tables' files are here; empty where only the catalog knows.
std::string WarehouseLocationOf(const config::CatalogConfig& catalog);

// The target side. Members are in the order in which they depend on each other.
struct TargetSide {
  std::unique_ptr<storage::StorageCredentials> credentials;  // that the catalog vends
  std::unique_ptr<storage::FileIO> file_io;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<journal::Journal> journal;  // null where it could not be opened; `journal_error` says why
  Status journal_error;
};
// `read_only`: a journal that is not there yet is not made, and none is needed.
Result<TargetSide> OpenTargetSide(const TargetFlags& flags, const Clock& clock, const StopToken& stop, bool read_only);
// Of a configuration: its catalog, store and state.
Result<TargetSide> OpenTargetSide(const config::Config& config, const Clock& clock, const StopToken& stop,
                                  bool read_only);
// The source for one run of a command's: its queries carry an id of their own, and -v tells of them.
source::RunSource RunOf(source::Source& source, const std::string& table, const char* purpose, Terminal& terminal);
// "the journal could not be opened, going on without: …"
Event JournalUnavailable(const Status& error);
// The journal alone; null where none is named and none can stand beside the warehouse, or where it may only be read and
// is not there yet.
Result<std::unique_ptr<journal::Journal>> OpenJournalOf(const config::Config& config, bool read_only);
// What the commands that work by the configuration file say: --config.
void AddConfigFlag(CLI::App& command, std::string& file);

}  // namespace calve::cli
