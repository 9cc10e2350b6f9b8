#include "calve/config/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "calve/config/dependencies.h"
#include "calve/http/http_url.h"
#include "calve/http/listen_address.h"
#include "calve/schedule/cadence.h"
#include "calve/source/cluster_servers.h"
#include "calve/source/nearest_name.h"
#include "calve/source/source_url.h"

namespace calve::config {
namespace {

constexpr int64_t kTableMemoryMax = 512 << 20;  // what `calve offload` takes

// "k2.`a.b`" is a.b.
std::string NameWithoutDatabase(const std::string& source) {
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '`') quoted = !quoted;
    if (source[i] == '.' && !quoted) begin = i + 1;
  }
  std::string name = source.substr(begin);
  std::erase(name, '`');
  return name;
}

class Rules {
 public:
  Rules(const Reader& reader, const std::vector<std::string>& paths, Config& config, Findings& findings)
      : reader_(reader), paths_(paths), config_(config), findings_(findings) {}

  void CheckSource();
  void CheckCatalog();
  void CheckSchedule();
  void CheckServe();
  void CheckNotify();
  void CompleteTables();
  void CheckTables();
  void CheckUnique();
  void ResolveOrder();

 private:
  void Add(const std::string& path, std::string message, std::string remedy) {
    findings_.Add(reader_.MarkOf(path), path, std::move(message), std::move(remedy));
  }
  // The value follows from another one: what may be shown of it does, too.
  void InheritWritten(const std::string& path, const std::string& from) {
    auto found = config_.as_written.find(from);
    if (found != config_.as_written.end()) config_.as_written.emplace(path, found->second);
  }
  void CheckAfter(size_t table);
  void CheckDistribute(size_t table);

  const Reader& reader_;
  const std::vector<std::string>& paths_;
  Config& config_;
  Findings& findings_;
};

void Rules::CheckSource() {
  const SourceConfig& source = config_.source;
  if (reader_.Has("source.cluster_http_port") && source.cluster.empty()) {
    Add("source.cluster_http_port", "there is no cluster whose servers have this port",
        "Name it with `cluster`, or leave the port out: `shards` have theirs in their URLs.");
  }
  auto base = source::ParseSourceUrl(source.url);
  if (base.ok() && (!source.shards.empty() || !source.cluster.empty())) {
    const bool embedded = base->scheme == source::SourceScheme::kChdb;
    const char* key = source.cluster.empty() ? "source.shards" : "source.cluster";
    auto servers = source::ServersFromText(source.shards, *base);
    for (size_t i = 0; i < config_.tables.size(); ++i) {
      if (config_.tables[i].view.empty()) continue;
      Add(paths_[i] + ".view", "no view joins cold with the shards of a cluster",
          "Leave it out, and make one by hand over a Distributed table.");
    }
    if (embedded) Add(key, "an embedded database knows no cluster", "Name a server as the source's url.");
    if (!embedded && !servers.ok()) Add(key, MessageOf(servers.status()), RemedyOf(servers.status()));
  }
  for (auto [path, url_password, file] :
       {std::tuple("source", &config_.source.password, &config_.source.password_file),
        std::tuple("catalog", &config_.catalog.password, &config_.catalog.password_file),
        std::tuple("state", &config_.state.password, &config_.state.password_file)}) {
    if (url_password->empty() || file->empty()) continue;
    Add(fmt::format("{}.password_file", path), "the URL has a password already", "Keep one of the two.");
  }
}

void Rules::CheckCatalog() {
  const CatalogConfig& catalog = config_.catalog;
  if (!reader_.Has("catalog") || (reader_.Has("catalog.type") && catalog.type.empty())) return;  // found already
  const bool has_uri = reader_.Has("catalog.uri");
  if (catalog.type == "rest" && !has_uri) {
    Add("catalog.uri", "a catalog of type rest needs its URL", "Write uri: https://host/path, up to and without /v1.");
  }
  if (has_uri && catalog.type != "rest") {
    Add("catalog.uri", "only a catalog of type rest has a uri", "Write type: rest, or leave the uri out.");
  }
  if (catalog.sigv4.region.empty() && catalog.sigv4 != SigningConfig()) {
    Add("catalog.sigv4.region", "this key is missing", "Name the catalog's region: eu-central-1.");
  }
  if (catalog.is_rest()) return;
  if (config_.commit == CommitUnit::kCycle) {
    Add("commit", "only REST catalogs commit several tables in one step", "Take it out, or use a REST catalog.");
  }
  if (catalog.warehouse.empty() && !reader_.Has("catalog.warehouse")) {
    Add("catalog.warehouse", "this key is missing", "Name the folder of the tables' files: file:///srv/cold.");
  }
  const CatalogConfig defaults;  // which a file may write out
  const Mapping& keys = *FileKeys().Find("catalog")->mapping;
  for (const char* name :
       {"credential_file", "token_file", "oauth2_server_uri", "scope", "audience", "resource", "headers", "sigv4",
        "vended_credentials", "ca_file", "cert_file", "key_file", "connect_timeout", "idle_timeout"}) {
    const Key& key = *keys.Find(name);
    const std::string path = fmt::format("catalog.{}", name);
    if (!reader_.Has(path) || key.write(key, &catalog) == key.write(key, &defaults)) continue;
    Add(path, "only a REST catalog has this key", "Take it out, or write type: rest.");
  }
}

void Rules::CheckSchedule() {
  const ScheduleConfig& schedule = config_.schedule;
  const auto judge = [&](const std::string& path, const char* what, const Status& status) {
    if (status.ok()) return;
    // What came from the environment is not shown.
    Add(path, config_.as_written.contains(path) ? what : MessageOf(status), RemedyOf(status));
  };
  if (!schedule.cron.empty()) {
    judge("schedule.cron", "this is no cron expression of five fields",
          schedule::CronExpression::Parse(schedule.cron).status());
  }
  judge("schedule.timezone", "this is no time zone", schedule::Cadence::Cron("@daily", schedule.timezone).status());
  const RetryConfig& retry = schedule.retry;
  if (retry.wait_max_micros < retry.wait_min_micros) {
    Add("schedule.retry.wait_max", "the longest wait is shorter than the first one", "Give at least `wait_min`.");
  }
  if (retry.aside_max_micros < retry.aside_min_micros) {
    Add("schedule.retry.aside_max", "the longest time aside is shorter than the first one",
        "Give at least `aside_min`.");
  }
  if (schedule.offset_micros >= schedule.every_micros) {
    Add("schedule.offset", "the offset is not shorter than the time between two cycles", "Give less than `every`.");
  }
}

void Rules::CheckServe() {
  const TlsConfig& tls = config_.serve.tls;
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    const char* missing = tls.cert_file.empty() ? "serve.tls.cert_file" : "serve.tls.key_file";
    if (!reader_.Has(missing)) Add(missing, "this key is missing", "TLS needs a certificate and its key.");
  }
  for (size_t i = 0; i < config_.serve.host_names.size(); ++i) {
    const std::string& name = config_.serve.host_names[i];
    if (!name.empty() && name.find_first_of("/: *@[]") == std::string::npos) continue;
    const std::string path = fmt::format("serve.host_names[{}]", i);
    const bool may_show = !config_.as_written.contains(path);
    Add(path, may_show ? fmt::format("'{}' is no host name", name) : "this is no host name",
        "Write the name alone, without scheme and port: calve.example.com.");
  }
  const std::string& listen = config_.serve.listen;
  if (listen == "off") return;
  const Status status = http::ParseListenAddress(listen).status();
  if (status.ok()) return;
  // What came from the environment is not shown.
  const bool is_shown = !config_.as_written.contains("serve.listen");
  Add("serve.listen", is_shown ? MessageOf(status) : "this is no address to listen at", RemedyOf(status));
}

void Rules::CheckNotify() {
  for (const auto& [name, target] : config_.notify.targets) {
    const std::string at = PathOf("notify.targets", name);
    for (const auto& [kind, endpoint] :
         {std::pair("webhook", &target.webhook), std::pair("alertmanager", &target.alertmanager)}) {
      if (!*endpoint) continue;
      const std::string path = fmt::format("{}.{}", at, kind);
      for (const auto& [header, value] : (*endpoint)->headers) {
        if ((header + value).find_first_of("\r\n") == std::string::npos && header.find(':') == std::string::npos)
          continue;
        Add(PathOf(path + ".headers", header), "this is no header", "Write it as Name: value, on one line.");
      }
      if ((*endpoint)->url.empty()) continue;
      const std::string url = (*endpoint)->url.substr(0, (*endpoint)->url.find('?'));
      const Status status = http::ParseHttpUrl(url, "it", "Put what the server is to know into headers_file.").status();
      if (!status.ok()) Add(reader_.Has(path + ".url") ? path + ".url" : path, MessageOf(status), RemedyOf(status));
    }
  }
}

void Rules::CompleteTables() {
  const LimitsConfig& limits = config_.limits;
  const int64_t share = std::max<int64_t>(1, std::min(kTableMemoryMax, limits.memory_bytes / limits.tables));
  for (size_t i = 0; i < config_.tables.size(); ++i) {
    TableConfig& table = config_.tables[i];
    if (table.name.empty() && !table.source.empty()) {
      table.name = NameWithoutDatabase(table.source);
      InheritWritten(paths_[i] + ".name", paths_[i] + ".source");
    }
    if (table.memory_bytes == 0) table.memory_bytes = share;
    for (auto [name, value] : {std::pair("max_threads", limits.max_threads), std::pair("priority", limits.priority)}) {
      if (!value || !table.settings.emplace(name, std::to_string(*value)).second) continue;
      InheritWritten(fmt::format("{}.settings.{}", paths_[i], name), fmt::format("limits.{}", name));
    }
  }
}

void Rules::CheckTables() {
  for (size_t i = 0; i < config_.tables.size(); ++i) {
    const TableConfig& table = config_.tables[i];
    const std::string& path = paths_[i];
    if (table.name.empty() && !reader_.Has(path + ".source")) {
      Add(path + ".name", "a table with a query needs a name", "Give it one: it is what `after` and messages call it.");
    }
    if (table.cursor.timestamp.empty() && !reader_.Has(path + ".cursor.timestamp") &&
        !reader_.Has("defaults.cursor.timestamp")) {
      Add(path + ".cursor.timestamp", "this key is missing",
          "Name the DateTime column that tells when a row is of: cursor: {timestamp: COLUMN}.");
    }
    CheckDistribute(i);
    if (table.memory_bytes > config_.limits.memory_bytes) {
      Add(path + ".memory", "this is more than limits.memory allows for all tables together",
          "Lower it, or raise limits.memory.");
    }
    for (const auto& [name, constant] : table.constants) {
      const std::string at = PathOf(path + ".constants", name);
      if (!constant.value && constant.expr.empty() && !reader_.Has(at + ".value") && !reader_.Has(at + ".expr")) {
        Add(at, "the constant has no value", "Give it a value or an expr.");
      }
      if (table.columns.contains(name)) {
        Add(at, "a column of the same name stands under columns", "Rename one of the two.");
      }
    }
  }
}

void Rules::CheckDistribute(size_t i) {
  auto& distribute = config_.tables[i].distribute;
  if (!distribute) return;
  const std::string path = paths_[i] + ".distribute";
  const bool said = reader_.Has(path + ".command") || reader_.Has("defaults.distribute.command");
  if (!said) Add(path + ".command", "this key is missing", "Name the program: command: [calve, write-slice, …].");
  if (distribute->command.empty()) {
    distribute.reset();
    return;
  }
  if (config_.source.url.starts_with("chdb:")) {
    Add(path, "a database inside of this process cannot be read by others",
        "Take it out, or let a ClickHouse server have the tables.");
  }
  if (config_.commit == CommitUnit::kCycle) {
    Add(path, "a window that is distributed is committed by itself, and not with the cycle",
        "Take one of the two out: this, or commit: atomic-cycle.");
  }
}

void Rules::CheckUnique() {
  std::map<std::string, size_t> names, targets;
  for (size_t i = 0; i < config_.tables.size(); ++i) {
    const TableConfig& table = config_.tables[i];
    for (auto [seen, text, key] :
         {std::tuple(&names, table.name, "name"), std::tuple(&targets, table.target.ToString(), "target")}) {
      if (text.empty()) continue;
      auto [first, is_new] = seen->emplace(text, i);
      if (is_new) continue;
      const std::string path = fmt::format("{}.{}", paths_[i], key);
      const bool is_secret = config_.as_written.contains(path);
      const bool is_target = seen == &targets;
      Add(path,
          fmt::format("{} has the same {}{}", paths_[first->second], key, is_secret ? "" : fmt::format(", {}", text)),
          is_target ? "Two tables cannot share a target; offload a query with UNION ALL where they are to be one."
                    : "Give one of them a name of its own: name: NAME.");
    }
  }
}

void Rules::CheckAfter(size_t i) {
  TableConfig& table = config_.tables[i];
  std::set<std::string> seen;
  for (size_t j = 0; j < table.after.size() && !findings_.full(); ++j) {
    const std::string& name = table.after[j];
    const std::string path = fmt::format("{}.after[{}]", paths_[i], j);
    if (name.empty()) continue;  // found already
    if (!seen.insert(name).second) {
      Add(path, "this table is named twice", "Name it once.");
      continue;
    }
    if (std::ranges::find(config_.tables, name, &TableConfig::name) != config_.tables.end()) continue;
    std::vector<std::string> names;
    for (const TableConfig& other : config_.tables) names.push_back(other.name);
    const std::string nearest = source::NearestName(name, names);
    const auto written = config_.as_written.find(path);
    Add(path, fmt::format("there is no table '{}'", written == config_.as_written.end() ? name : written->second),
        nearest.empty() ? "Name tables by their name, or by their source where they have none."
                        : fmt::format("Did you mean {}?", nearest));
  }
}

void Rules::ResolveOrder() {
  const std::vector<std::string> layers = LayerOrder(config_.tables);
  for (size_t i = 0; i < config_.tables.size(); ++i) {
    TableConfig& table = config_.tables[i];
    if (reader_.Has(paths_[i] + ".after")) {
      CheckAfter(i);
    } else {
      table.after = TablesBefore(table.layer, layers, config_.tables);
    }
  }
  const std::vector<std::string> cycle = FindCycle(config_.tables);
  if (cycle.empty()) return;
  const auto first = std::ranges::find(config_.tables, cycle.front(), &TableConfig::name);
  Add(paths_[static_cast<size_t>(first - config_.tables.begin())] + ".after",
      fmt::format("tables wait for each other: {}", fmt::join(cycle, " -> ")),
      "Take one of them out of another's `after`; tables without it wait for the layer before theirs.");
}

}  // namespace

void ApplyRules(const Reader& reader, const std::vector<std::string>& paths, Config* config, Findings* findings) {
  Rules rules(reader, paths, *config, *findings);
  rules.CheckSource();
  rules.CheckCatalog();
  rules.CheckSchedule();
  rules.CheckServe();
  rules.CheckNotify();
  rules.CompleteTables();
  rules.CheckTables();
  rules.CheckUnique();
  rules.ResolveOrder();
}

}  // namespace calve::config
