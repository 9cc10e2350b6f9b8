#include "calve/catalog/testing_fake_rest_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/base/random.h"
#include "calve/iceberg/metadata_json.h"
#include "calve/iceberg/testing_table_update_json.h"

namespace calve::catalog {
namespace {

using http::HttpAnswer;
using http::SeenRequest;
using nlohmann::json;

std::string PathOf(const SeenRequest& request) { return request.target.substr(0, request.target.find('?')); }

std::vector<std::string> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(http::PercentDecoded(text.substr(0, at)));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

json Levels(const std::vector<std::string>& levels) { return json(levels); }

// [from, from + page size) of a list, and where the next page begins.
json Page(const SeenRequest& request, const std::string& key, const json& all, int page_size) {
  json out;
  const std::string token = request.Parameter("pageToken");
  const size_t from = token == "<none>" || token.empty() ? 0 : std::stoul(token);
  const size_t to = page_size > 0 ? std::min(all.size(), from + static_cast<size_t>(page_size)) : all.size();
  out[key] = json::array();
  for (size_t i = from; i < to; ++i) out[key].push_back(all[i]);
  if (to < all.size()) out["next-page-token"] = std::to_string(to);
  return out;
}

// A table's change as its JSON says.
struct Commit {
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;
};
Result<Commit> ReadCommit(const iceberg::JsonNode& root) {
  Commit commit;
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode requirements, root.Get("requirements"));
  ARROW_RETURN_NOT_OK(requirements.ForEach([&](const iceberg::JsonNode& node) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto requirement, iceberg::ReadTableRequirement(node));
    commit.requirements.push_back(std::move(requirement));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode updates, root.Get("updates"));
  ARROW_RETURN_NOT_OK(updates.ForEach([&](const iceberg::JsonNode& node) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto update, iceberg::ReadTableUpdate(node));
    commit.updates.push_back(std::move(update));
    return Status::OK();
  }));
  return commit;
}

Result<CreateTableRequest> ReadCreate(const json& body) {
  CreateTableRequest request;
  if (!body.contains("stage-create")) return MakeError(ErrorKind::kFailed, "stage-create is missing");
  const iceberg::JsonNode root(body);
  ARROW_ASSIGN_OR_RAISE(request.location, root.FindString("location", ""));
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode schema, root.Get("schema"));
  ARROW_ASSIGN_OR_RAISE(request.schema, iceberg::ReadSchema(schema));
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode spec, root.Get("partition-spec"));
  ARROW_ASSIGN_OR_RAISE(request.spec, iceberg::ReadPartitionSpec(spec));
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode order, root.Get("write-order"));
  ARROW_ASSIGN_OR_RAISE(request.order, iceberg::ReadSortOrder(order));
  ARROW_ASSIGN_OR_RAISE(const iceberg::JsonNode properties, root.Get("properties"));
  ARROW_ASSIGN_OR_RAISE(request.properties, iceberg::ReadStringMap(properties));
  request.properties.erase("format-version");  // says what the table becomes, and is none of its properties
  return request;
}

std::string FormValue(const std::string& form, const std::string& name) {
  SeenRequest as_query;
  as_query.target = "/?" + form;
  return as_query.Parameter(name);
}

}  // namespace

FakeRestServer::FakeRestServer(OpenInner open, RestServerOptions options)
    : open_(std::move(open)), options_(std::move(options)) {
  server_ = std::make_unique<http::TestingHttpServer>(
      [this](const SeenRequest& request, HttpAnswer& answer) { Handle(request, answer); });
}

std::vector<SeenRequest> FakeRestServer::Seen(const std::string& method, const std::string& target_end) const {
  std::vector<SeenRequest> found;
  for (SeenRequest& request : server_->seen()) {
    const bool matches = request.target.ends_with(target_end) || PathOf(request).ends_with(target_end);
    if (request.method == method && matches) found.push_back(std::move(request));
  }
  return found;
}

void FakeRestServer::SetFaults(std::function<RestFault(const SeenRequest&)> faults) {
  std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

void FakeRestServer::FailChanges(std::vector<RestFault> faults) {
  std::lock_guard lock(mutex_);
  change_faults_ = std::move(faults);
}

void FakeRestServer::LetArrive() {
  std::vector<SeenRequest> held;
  {
    std::lock_guard lock(mutex_);
    held.swap(held_);
  }
  for (const SeenRequest& request : held) Do(request);
}

void FakeRestServer::ExpireTokens() {
  std::lock_guard lock(mutex_);
  tokens_.clear();
}

RestFault FakeRestServer::NextFault(const SeenRequest& request) {
  std::function<RestFault(const SeenRequest&)> faults;
  {
    std::lock_guard lock(mutex_);
    if (request.method != "GET" && !change_faults_.empty()) {
      RestFault fault = change_faults_.front();
      change_faults_.erase(change_faults_.begin());
      return fault;
    }
    faults = faults_;
  }
  return faults ? faults(request) : RestFault();
}

void FakeRestServer::Handle(const SeenRequest& request, HttpAnswer& answer) {
  using Kind = RestFault::Kind;
  const bool is_token = PathOf(request).ends_with("/oauth/tokens");
  const RestFault fault = is_token ? RestFault() : NextFault(request);
  if (fault.kind == Kind::kLostRequest) return answer.Close();
  if (fault.kind == Kind::kHeld) {
    std::lock_guard lock(mutex_);
    held_.push_back(request);
  }
  Answer done;
  if (fault.kind != Kind::kAnswerOnly && fault.kind != Kind::kHeld) done = DoOnce(request);
  if (fault.kind == Kind::kTwice) done = Do(request);
  if (fault.kind == Kind::kLostAnswer) return answer.Close();
  if (fault.kind == Kind::kAnswerOnly || fault.kind == Kind::kAnswerAfter || fault.kind == Kind::kHeld) {
    done = {fault.status, fault.body, fault.headers};
  }
  const std::string headers = "Content-Type: application/json\r\n" + done.headers;
  if (fault.kind == Kind::kCutAnswer) {
    answer.Send(fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n{}", done.status, headers, done.body.size(),
                            done.body.substr(0, done.body.size() / 2)));
    return answer.Close();
  }
  if (done.status == 204) {
    answer.Send("HTTP/1.1 204 X\r\n\r\n");
  } else {
    answer.Whole(done.status, done.body, headers);
  }
}

// What was answered for good is answered again; a server's failure is not kept.
FakeRestServer::Answer FakeRestServer::DoOnce(const SeenRequest& request) {
  const auto key = request.headers.find("idempotency-key");
  if (!options_.takes_idempotency_keys || key == request.headers.end()) return Do(request);
  {
    std::lock_guard lock(mutex_);
    const auto finished = finished_.find(key->second);
    if (finished != finished_.end()) return finished->second;
  }
  const Answer done = Do(request);
  std::lock_guard lock(mutex_);
  if (done.status < 500) finished_[key->second] = done;
  return done;
}

FakeRestServer::Answer FakeRestServer::Refusal(int status, const std::string& type, const std::string& message) {
  json body;
  body["error"] = {{"message", message}, {"type", type}, {"code", status}};
  return {status, body.dump(), ""};
}

FakeRestServer::Answer FakeRestServer::Failure(const Status& status, bool is_create) {
  const std::string message = MessageOf(status);
  switch (KindOf(status)) {
    case ErrorKind::kConflict:
      return Refusal(409, "CommitFailedException", message);
    case ErrorKind::kAlreadyExists:
      return Refusal(409, "AlreadyExistsException", message);
    case ErrorKind::kNotFound:
      return Refusal(404, is_create ? "NoSuchNamespaceException" : "NoSuchTableException", message);
    case ErrorKind::kUnknownOutcome:
      return Refusal(500, "CommitStateUnknownException", message);
    case ErrorKind::kConfig:
    case ErrorKind::kUnsupported:
    case ErrorKind::kFailed:
      return Refusal(400, "BadRequestException", message);
    default:
      return Refusal(500, "InternalServerError", message);
  }
}

FakeRestServer::Answer FakeRestServer::TableAnswer(const Result<LoadedTable>& table, bool is_create) const {
  if (!table.ok()) return Failure(table.status(), is_create);
  json body;
  body["metadata-location"] = table->metadata_location;
  body["metadata"] = json::parse(iceberg::WriteTableMetadata(table->metadata));
  if (options_.shows_only_current_snapshot) {
    json& metadata = body["metadata"];
    json current = json::array();
    for (const json& snapshot : metadata["snapshots"]) {
      if (snapshot["snapshot-id"] != metadata["current-snapshot-id"]) continue;
      current.push_back(snapshot);
      current.back().erase("parent-snapshot-id");
    }
    metadata["snapshots"] = current;
    metadata["snapshot-log"] = metadata["metadata-log"] = json::array();
    json refs = json::object();
    if (metadata["refs"].contains("main")) refs["main"] = metadata["refs"]["main"];
    metadata["refs"] = refs;
  }
  body["config"] = options_.table_config;
  if (!options_.storage_credentials.empty()) body["storage-credentials"] = json::parse(options_.storage_credentials);
  return {200, body.dump(), ""};
}

std::optional<FakeRestServer::Answer> FakeRestServer::CheckAccess(const SeenRequest& request) {
  if (options_.credential.empty()) return std::nullopt;
  const auto header = request.headers.find("authorization");
  if (header == request.headers.end()) return Refusal(401, "NotAuthorizedException", "who are you?");
  std::lock_guard lock(mutex_);
  if (tokens_.contains(header->second)) return std::nullopt;
  return Refusal(419, "AuthenticationTimeoutException", "expired: " + header->second);
}

FakeRestServer::Answer FakeRestServer::GiveToken(const SeenRequest& request) {
  const std::string who = FormValue(request.body, "client_id") + ":" + FormValue(request.body, "client_secret");
  if (who != options_.credential || FormValue(request.body, "grant_type") != "client_credentials") {
    return {401, json{{"error", "invalid_client"}, {"error_description", "I do not know " + who}}.dump(), ""};
  }
  const std::string token = RandomUuid();
  ++tokens_given_;
  std::lock_guard lock(mutex_);
  tokens_.insert("Bearer " + token);
  return {
      200,
      json{{"access_token", token}, {"token_type", "bearer"}, {"expires_in", options_.token_lifetime_seconds}}.dump(),
      ""};
}

FakeRestServer::Answer FakeRestServer::Config(const SeenRequest& request) {
  const std::string warehouse = request.Parameter("warehouse");
  if (!options_.warehouse.empty() && warehouse != options_.warehouse) {
    return Refusal(404, "NoSuchWarehouseException", "there is no warehouse " + warehouse);
  }
  json body;
  body["defaults"] = options_.defaults;
  body["overrides"] = options_.overrides;
  if (!options_.prefix.empty()) body["overrides"]["prefix"] = options_.prefix;
  if (options_.separator != "%1F") body["overrides"]["namespace-separator"] = options_.separator;
  if (options_.lists_endpoints) {
    body["endpoints"] = {"GET /v1/{prefix}/namespaces", "POST /v1/{prefix}/namespaces/{namespace}/register",
                         "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"};
    if (options_.offers_transactions) body["endpoints"].push_back("POST /v1/{prefix}/transactions/commit");
    if (!options_.views.empty()) {
      body["endpoints"].push_back("GET /v1/{prefix}/namespaces/{namespace}/views/{view}");
    }
  }
  if (options_.takes_idempotency_keys) body["idempotency-key-lifetime"] = "PT30M";
  return {200, body.dump(), ""};
}

FakeRestServer::Answer FakeRestServer::Do(const SeenRequest& request) {
  std::string path = PathOf(request);
  if (path == "/v1/oauth/tokens") return GiveToken(request);
  if (auto refused = CheckAccess(request)) return *refused;
  if (path == "/v1/config") return Config(request);
  const std::string root = "/v1/" + (options_.prefix.empty() ? "" : options_.prefix + "/");
  if (!path.starts_with(root)) return {404, "<html>not found</html>", ""};
  path.erase(0, root.size());
  if (path == "namespaces") return Namespaces(request);
  if (path == "transactions/commit" && options_.offers_transactions) return Transaction(request);
  std::vector<std::string> raw;  // still encoded
  for (size_t at = 0; at != std::string::npos;) {
    const size_t slash = path.find('/', at);
    raw.push_back(path.substr(at, slash - at));
    at = slash == std::string::npos ? slash : slash + 1;
  }
  if (raw.size() < 3 || raw[0] != "namespaces") return {404, "<html>not found</html>", ""};
  if (options_.separator != "%1F" && raw[1].find("%1F") != std::string::npos) {
    return Refusal(400, "IllegalArgumentException", "Ambiguous URI");
  }
  const std::vector<std::string> levels = Split(raw[1], options_.separator);
  if (raw.size() == 3 && raw[2] == "tables") return Tables(request, levels);
  if (raw.size() == 3 && raw[2] == "register") return Register(request, levels);
  if (raw.size() == 4 && raw[2] == "views") {
    const bool is_view = options_.views.contains(http::PercentDecoded(raw[3]));
    return is_view ? Answer{200, "{}", ""} : Refusal(404, "NoSuchViewException", "no such view");
  }
  if (raw.size() == 4) return Table(request, {levels, http::PercentDecoded(raw[3])});
  if (raw.size() == 5 && raw[4] == "credentials") return Credentials();
  return {404, "<html>not found</html>", ""};
}

bool FakeRestServer::HasNamespace(Catalog& inner, const std::vector<std::string>& levels) {
  {
    std::lock_guard lock(mutex_);
    if (namespaces_.contains(levels)) return true;
  }
  auto known = inner.ListNamespaces();
  return known.ok() && std::find(known->begin(), known->end(), levels) != known->end();
}

FakeRestServer::Answer FakeRestServer::Namespaces(const SeenRequest& request) {
  auto inner = open_();
  if (request.method == "POST") {
    const auto levels = json::parse(request.body)["namespace"].get<std::vector<std::string>>();
    if (HasNamespace(*inner, levels)) return Refusal(409, "AlreadyExistsException", "it is there");
    std::lock_guard lock(mutex_);
    namespaces_.insert(levels);
    return {200, json{{"namespace", levels}, {"properties", json::object()}}.dump(), ""};
  }
  std::vector<std::string> parent;
  if (request.target.find("parent=") != std::string::npos) {
    std::string raw = request.target.substr(request.target.find("parent=") + 7);
    parent = Split(raw.substr(0, raw.find('&')), options_.separator);
    if (!HasNamespace(*inner, parent)) return Refusal(404, "NoSuchNamespaceException", "no parent");
  }
  auto known = inner->ListNamespaces();
  if (!known.ok()) return Failure(known.status(), false);
  std::set<std::vector<std::string>> below;
  {
    std::lock_guard lock(mutex_);
    known->insert(known->end(), namespaces_.begin(), namespaces_.end());
  }
  for (const std::vector<std::string>& levels : *known) {
    const bool is_below = levels.size() > parent.size() && std::equal(parent.begin(), parent.end(), levels.begin());
    if (is_below) below.insert({levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(parent.size() + 1)});
  }
  json all = json::array();
  for (const auto& levels : below) all.push_back(Levels(levels));
  return {200, Page(request, "namespaces", all, options_.page_size).dump(), ""};
}

FakeRestServer::Answer FakeRestServer::Tables(const SeenRequest& request, const std::vector<std::string>& levels) {
  auto inner = open_();
  if (!HasNamespace(*inner, levels)) return Refusal(404, "NoSuchNamespaceException", "no such namespace");
  if (request.method == "POST") {
    const json body = json::parse(request.body);
    if (options_.views.contains(body["name"].get<std::string>())) {
      return Refusal(409, "AlreadyExistsException", "View with same name already exists");
    }
    auto create = ReadCreate(body);
    if (!create.ok()) return Refusal(500, "InternalServerError", create.status().ToString());
    return TableAnswer(inner->CreateTable({levels, body["name"].get<std::string>()}, *create), true);
  }
  auto tables = inner->ListTables(levels);
  if (!tables.ok()) return Failure(tables.status(), false);
  json all = json::array();
  for (const TableIdent& ident : *tables) all.push_back({{"namespace", Levels(ident.levels)}, {"name", ident.name}});
  return {200, Page(request, "identifiers", all, options_.page_size).dump(), ""};
}

FakeRestServer::Answer FakeRestServer::Table(const SeenRequest& request, const TableIdent& ident) {
  auto inner = open_();
  if (request.method == "GET") {
    std::lock_guard lock(committing_);
    return TableAnswer(inner->LoadTable(ident), false);
  }
  if (request.method == "DELETE") {
    const Status dropped = inner->DropTable(ident);
    return dropped.ok() ? Answer{204, "", ""} : Failure(dropped, false);
  }
  const json body = json::parse(request.body);
  auto commit = ReadCommit(iceberg::JsonNode(body));
  if (!commit.ok()) return Refusal(400, "BadRequestException", commit.status().ToString());
  std::lock_guard lock(committing_);
  return TableAnswer(inner->CommitTable(ident, commit->requirements, commit->updates), false);
}

FakeRestServer::Answer FakeRestServer::Register(const SeenRequest& request, const std::vector<std::string>& levels) {
  auto inner = open_();
  if (!HasNamespace(*inner, levels)) return Refusal(404, "NoSuchNamespaceException", "no such namespace");
  const json body = json::parse(request.body);
  return TableAnswer(
      inner->RegisterTable({levels, body["name"].get<std::string>()}, body["metadata-location"].get<std::string>()),
      true);
}

// Nobody reads between two of the tables' changes: readers are answered under the same lock.
FakeRestServer::Answer FakeRestServer::Transaction(const SeenRequest& request) {
  const json body = json::parse(request.body);
  const iceberg::JsonNode root(body);
  auto inner = open_();
  std::vector<TableCommit> commits;
  std::lock_guard lock(committing_);
  for (const json& change : body["table-changes"]) {
    auto commit = ReadCommit(iceberg::JsonNode(change));
    if (!commit.ok()) return Refusal(400, "BadRequestException", commit.status().ToString());
    const json& name = change["identifier"];
    const TableIdent ident{name["namespace"].get<std::vector<std::string>>(), name["name"].get<std::string>()};
    auto table = inner->LoadTable(ident);
    if (!table.ok()) return Failure(table.status(), false);
    const Status holds = iceberg::CheckRequirements(&table->metadata, commit->requirements);
    if (!holds.ok()) return Failure(holds, false);
    const Status applies = iceberg::ApplyUpdates(table->metadata, commit->updates, 0).status();
    if (!applies.ok()) return Failure(applies, false);
    commits.push_back({ident, std::move(commit->requirements), std::move(commit->updates)});
  }
  for (const TableCommit& commit : commits) {
    auto committed = inner->CommitTable(commit.ident, commit.requirements, commit.updates);
    if (!committed.ok()) return Refusal(500, "HalfDone", committed.status().ToString());  // no test wants that
  }
  return {204, "", ""};
}

FakeRestServer::Answer FakeRestServer::Credentials() const {
  json body;
  body["storage-credentials"] =
      options_.storage_credentials.empty() ? json::array() : json::parse(options_.storage_credentials);
  return {200, body.dump(), ""};
}

}  // namespace calve::catalog
