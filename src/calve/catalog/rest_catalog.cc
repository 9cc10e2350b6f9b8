#include "calve/catalog/rest_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "calve/base/random.h"
#include "calve/catalog/commit_plan.h"
#include "calve/http/percent_encoding.h"

namespace calve::catalog {
namespace {

constexpr size_t kNamespaceDepthMax = 16;
constexpr size_t kPagesMax = 100'000;

constexpr const char* kFormatVersion = "format-version";

// The table is to be what the request says, whatever the server's own defaults are.
CreateTableRequest WithServersProperties(const CreateTableRequest& request, const RestSettings& settings) {
  CreateTableRequest out = request;
  out.properties = settings.table_defaults;
  out.properties[kFormatVersion] = "2";
  for (const auto& [key, value] : request.properties) out.properties[key] = value;
  for (const auto& [key, value] : settings.table_overrides) out.properties[key] = value;
  return out;
}

std::string PageQuery(const RestSettings& settings, const std::string& page_token) {
  std::string query;
  if (settings.page_size > 0) {
    // A server that pages wants to be asked for the first page, too. Sorted, as signatures want it.
    query = fmt::format("pageSize={}&pageToken={}", settings.page_size, http::PercentEncoded(page_token));
  } else if (!page_token.empty()) {
    query = "pageToken=" + http::PercentEncoded(page_token);
  }
  return query;
}

// Of a table's `config`: what proves who one is, beside where the store is.
bool IsCredential(std::string_view name) {
  const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
  constexpr std::string_view kPrefixes[] = {"s3.access-key-id", "s3.secret-access-key", "s3.session-token",
                                            "gcs.oauth2.token", "adls.sas-token",       "adls.auth."};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes), begins);
}

}  // namespace

Result<std::unique_ptr<RestCatalog>> RestCatalog::Make(const RestOptions& options, const std::string& warehouse,
                                                       storage::StorageCredentials* vended, const Clock& clock,
                                                       const StopToken& stop) {
  ARROW_RETURN_NOT_OK(RestEndpointOf(options, options.uri, nullptr).status());
  if (options.token.is_given() && options.credential.is_given()) {
    return MakeError(ErrorKind::kConfig, "both a token and a credential are given for the catalog",
                     "Keep one: the token is used as it is, with the credential calve fetches tokens.");
  }
  return std::unique_ptr<RestCatalog>(new RestCatalog(options, warehouse, vended, clock, stop));
}

RestCatalog::RestCatalog(const RestOptions& options, std::string warehouse, storage::StorageCredentials* vended,
                         const Clock& clock, const StopToken& stop)
    : options_(options),
      warehouse_(std::move(warehouse)),
      vended_(vended),
      clock_(clock),
      stop_(stop),
      auth_(options_, clock, stop) {
  if (vended_) vended_->SetRefresher([this](const std::string& location) { return RefreshCredentials(location); });
}

RestCatalog::~RestCatalog() {
  if (vended_) vended_->SetRefresher(nullptr);
}

std::string RestCatalog::name() const {
  return fmt::format("rest catalog at {}{}{}", options_.uri, warehouse_.empty() ? "" : ", warehouse ", warehouse_);
}

Result<RestClient*> RestCatalog::Client() {
  std::lock_guard lock(mutex_);
  if (!client_) {
    ARROW_ASSIGN_OR_RAISE(client_, Connect());
  }
  return client_.get();
}

Result<std::unique_ptr<RestClient>> RestCatalog::Connect() {
  ARROW_ASSIGN_OR_RAISE(RestSettings first, ResolveRestSettings(options_, warehouse_, RestConfig()));
  ARROW_ASSIGN_OR_RAISE(auto client, RestClient::Make(options_, std::move(first), auth_, clock_, stop_));
  RestRequest request;
  request.path = "/v1/config";
  if (!warehouse_.empty()) request.path += "?warehouse=" + http::PercentEncoded(warehouse_);
  request.what = "asking for the catalog's configuration";
  auto body = client->Send(request);
  if (KindOf(body.status()) == ErrorKind::kNotFound) {
    return WithKind(body.status(), ErrorKind::kConfig,
                    "Check the warehouse's name: the catalog says which ones it has, calve passes on what --warehouse "
                    "or warehouse: says.");
  }
  // Every catalog answers this; some say 400 to a path that they do not know.
  const ErrorKind kind = KindOf(body.status());
  if (!body.ok() && (kind == ErrorKind::kFailed || kind == ErrorKind::kUnsupported)) {
    return WithKind(body.status(), ErrorKind::kConfig,
                    "Check the catalog's URL, which goes up to, and without, /v1, and the warehouse.");
  }
  ARROW_RETURN_NOT_OK(body.status());
  auto config = ParseRestConfig(*body);
  if (!config.ok()) {
    return WithKind(WithContext(config.status(), request.what + " at " + client->origin()), ErrorKind::kConfig,
                    "Check the catalog's URL: what answers there is no Iceberg REST catalog.");
  }
  ARROW_ASSIGN_OR_RAISE(RestSettings settings, ResolveRestSettings(options_, warehouse_, *config));
  return RestClient::Make(options_, std::move(settings), auth_, clock_, stop_);
}

Status RestCatalog::NoSuchTable(const TableIdent& ident) const {
  return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {} in the {}", ident.ToString(), name()));
}

Result<LoadedTable> RestCatalog::Take(const RestClient& client, const TableIdent& ident, const std::string& body) {
  auto table = ParseRestTable(body);
  if (!table.ok())
    return WithContext(table.status(), fmt::format("what {} says of {}", client.origin(), ident.ToString()));
  KeepCredentials(client, ident, *table);
  return std::move(table->table);
}

Result<LoadedTable> RestCatalog::LoadTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  RestRequest request;
  ARROW_ASSIGN_OR_RAISE(request.path, client->settings().TablePath(ident));
  request.what = "loading " + ident.ToString();
  auto body = client->Send(request);
  if (KindOf(body.status()) == ErrorKind::kNotFound) return NoSuchTable(ident);
  ARROW_RETURN_NOT_OK(body.status());
  return Take(*client, ident, *body);
}

Result<LoadedTable> RestCatalog::CreateTable(const TableIdent& ident, const CreateTableRequest& request) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  return MakeTable(ident, false, CreateTableBody(ident, WithServersProperties(request, client->settings())));
}

Result<LoadedTable> RestCatalog::RegisterTable(const TableIdent& ident, const std::string& metadata_location) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  if (!client->settings().Offers(kRegisterTable)) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("the {} does not take over tables", name()));
  }
  auto made = MakeTable(ident, true, RegisterTableBody(ident, metadata_location));
  if (KindOf(made.status()) != ErrorKind::kUnknownOutcome) return made;
  // Nobody else's table has this metadata file.
  auto loaded = LoadTable(ident);
  return loaded.ok() && loaded->metadata_location == metadata_location ? loaded : made;
}

Result<LoadedTable> RestCatalog::MakeTable(const TableIdent& ident, bool registers, const std::string& body) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  const RestSettings& settings = client->settings();
  RestRequest request;
  request.method = "POST";
  ARROW_RETURN_NOT_OK(settings.TablePath(ident).status());  // is the name one?
  ARROW_ASSIGN_OR_RAISE(request.path, settings.NamespacePath(ident.levels));
  request.path += registers ? "/register" : "/tables";
  request.body = body;
  request.what = (registers ? "registering " : "creating ") + ident.ToString();
  request.is_change = true;
  auto key = [&] { return settings.takes_idempotency_keys ? TimeOrderedUuid(clock_.Now() / 1000) : ""; };
  request.idempotency_key = key();
  auto made = client->Send(request);
  // A 409 says that the name is taken; Nessie's also that more than one level of the namespace is missing.
  if (KindOf(made.status()) == ErrorKind::kNotFound ||
      (KindOf(made.status()) == ErrorKind::kConflict && KindOf(LoadTable(ident).status()) == ErrorKind::kNotFound)) {
    ARROW_RETURN_NOT_OK(MakeNamespace(*client, ident.levels));
    request.idempotency_key = key();  // the server may repeat its refusal for the first one
    made = client->Send(request);
  }
  if (KindOf(made.status()) == ErrorKind::kConflict) return NameIsTaken(*client, ident, made.status());
  ARROW_RETURN_NOT_OK(made.status());
  auto table = Take(*client, ident, *made);
  if (!table.ok()) return WithKind(table.status(), ErrorKind::kUnknownOutcome, RemedyOf(table.status()));
  return table;
}

Status RestCatalog::NameIsTaken(RestClient& client, const TableIdent& ident, const Status& refusal) {
  if (client.settings().Offers(kLoadView)) {
    RestRequest request;
    ARROW_ASSIGN_OR_RAISE(request.path, client.settings().NamespacePath(ident.levels));
    request.path += "/views/" + http::PercentEncoded(ident.name);
    request.what = fmt::format("asking whether {} is a view", ident.ToString());
    if (client.Send(request).ok()) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} is a view in the {}", ident.ToString(), name()),
                       "Name another target: calve writes tables.");
    }
  }
  return MakeError(ErrorKind::kAlreadyExists,
                   fmt::format("table {} exists in the {} ({})", ident.ToString(), name(), MessageOf(refusal)));
}

// From the outermost level on: some catalogs want the parents to be there.
Status RestCatalog::MakeNamespace(RestClient& client, const std::vector<std::string>& levels) {
  for (size_t depth = 1; depth <= levels.size(); ++depth) {
    const std::vector<std::string> made(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(depth));
    RestRequest request;
    request.method = "POST";
    request.path = client.settings().NamespacesPath();
    request.body = CreateNamespaceBody(made);
    request.what = fmt::format("creating the namespace {}", made.back());
    request.is_change = request.is_harmless = true;
    if (client.settings().takes_idempotency_keys) request.idempotency_key = TimeOrderedUuid(clock_.Now() / 1000);
    const Status status = client.Send(request).status();
    if (!status.ok() && KindOf(status) != ErrorKind::kConflict) return status;  // 409: it is there
  }
  return Status::OK();
}

Result<LoadedTable> RestCatalog::CommitTable(const TableIdent& ident,
                                             std::span<const iceberg::TableRequirement> requirements,
                                             std::span<const iceberg::TableUpdate> updates) {
  if (updates.empty()) {
    ARROW_ASSIGN_OR_RAISE(LoadedTable table, LoadTable(ident));
    ARROW_RETURN_NOT_OK(iceberg::CheckRequirements(&table.metadata, requirements));
    return table;
  }
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  RestRequest request;
  request.method = "POST";
  ARROW_ASSIGN_OR_RAISE(request.path, client->settings().TablePath(ident));
  request.body = CommitTableBody(ident, requirements, updates);
  request.what = "committing to " + ident.ToString();
  request.is_change = true;
  if (client->settings().takes_idempotency_keys) request.idempotency_key = TimeOrderedUuid(clock_.Now() / 1000);
  auto body = client->Send(request);
  if (KindOf(body.status()) == ErrorKind::kNotFound) return NoSuchTable(ident);
  if (KindOf(body.status()) == ErrorKind::kConflict) return LookForOwn(ident, updates, body.status());
  ARROW_RETURN_NOT_OK(body.status());
  auto table = Take(*client, ident, *body);
  if (!table.ok()) return WithKind(table.status(), ErrorKind::kUnknownOutcome, RemedyOf(table.status()));
  return table;
}

Result<bool> RestCatalog::CommitsTogether() {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  return client->settings().Offers(kCommitTransaction);
}

Status RestCatalog::CommitTables(std::span<const TableCommit> commits) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  if (!client->settings().Offers(kCommitTransaction)) return Catalog::CommitTables(commits);
  if (commits.empty()) return Status::OK();
  RestRequest request;
  request.method = "POST";
  request.path = client->settings().TransactionPath();
  request.body = CommitTransactionBody(commits);
  request.what =
      fmt::format("committing to {} tables at once, {} among them", commits.size(), commits.front().ident.ToString());
  request.is_change = true;
  if (client->settings().takes_idempotency_keys) request.idempotency_key = TimeOrderedUuid(clock_.Now() / 1000);
  const Status status = client->Send(request).status();
  if (KindOf(status) != ErrorKind::kConflict) return status;
  // All or none: one of them tells of all.
  return LookForOwn(commits.front().ident, commits.front().updates, status).status();
}

Result<LoadedTable> RestCatalog::LookForOwn(const TableIdent& ident, std::span<const iceberg::TableUpdate> updates,
                                            const Status& conflict) {
  std::vector<const iceberg::Snapshot*> own;
  for (const iceberg::TableUpdate& update : updates) {
    if (const auto* add = std::get_if<iceberg::AddSnapshot>(&update)) own.push_back(&add->snapshot);
  }
  if (own.empty()) return conflict;
  auto table = LoadTable(ident);
  if (KindOf(table.status()) == ErrorKind::kNotFound) return conflict;
  if (!table.ok()) return WithKind(conflict, ErrorKind::kUnknownOutcome);
  // Tries of one commit share its snapshot's id, and differ in the manifest list: with an earlier one in, this is not.
  const auto is_in = [&](const iceberg::Snapshot* snapshot) {
    const iceberg::Snapshot* there = table->metadata.FindSnapshot(snapshot->snapshot_id);
    return there && there->manifest_list == snapshot->manifest_list;
  };
  if (std::all_of(own.begin(), own.end(), is_in)) return table;
  return conflict;
}

Result<std::vector<std::vector<std::string>>> RestCatalog::ListNamespaces() {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  std::vector<std::vector<std::string>> found;
  std::vector<std::vector<std::string>> parents = {{}};
  while (!parents.empty()) {
    const std::vector<std::string> parent = std::move(parents.back());
    parents.pop_back();
    ARROW_ASSIGN_OR_RAISE(auto below, ListNamespacesBelow(*client, parent));
    for (std::vector<std::string>& levels : below) {
      if (levels.size() <= parent.size()) continue;  // some list the parent among its children
      if (levels.size() < kNamespaceDepthMax) parents.push_back(levels);
      found.push_back(std::move(levels));
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<std::vector<std::vector<std::string>>> RestCatalog::ListNamespacesBelow(RestClient& client,
                                                                               const std::vector<std::string>& parent) {
  std::vector<std::vector<std::string>> found;
  RestRequest request;
  request.what = "listing namespaces";
  std::string page_token;
  for (size_t page = 0; page < kPagesMax; ++page) {
    std::string query = PageQuery(client.settings(), page_token);
    if (!parent.empty()) {
      auto text = client.settings().NamespaceText(parent);
      if (!text.ok()) return found;  // a name that this client has no way to ask for
      query = (query.empty() ? "" : query + "&") + "parent=" + *text;
    }
    request.path = client.settings().NamespacesPath() + (query.empty() ? "" : "?" + query);
    auto body = client.Send(request);
    // Dropped since it was listed, or a catalog whose namespaces have one level.
    const ErrorKind kind = KindOf(body.status());
    if (!parent.empty() && (kind == ErrorKind::kNotFound || kind == ErrorKind::kUnsupported)) return found;
    ARROW_RETURN_NOT_OK(body.status());
    auto listed = ParseNamespacePage(*body);
    if (!listed.ok()) return WithContext(listed.status(), request.what + " at " + client.origin());
    std::move(listed->namespaces.begin(), listed->namespaces.end(), std::back_inserter(found));
    page_token = listed->next_page_token;
    if (page_token.empty()) break;
  }
  return found;
}

Result<std::vector<TableIdent>> RestCatalog::ListTables(const std::vector<std::string>& levels) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  ARROW_ASSIGN_OR_RAISE(const std::string path, client->settings().TablesPath(levels));
  std::vector<TableIdent> found;
  RestRequest request;
  request.what = "listing tables";
  std::string page_token;
  for (size_t page = 0; page < kPagesMax; ++page) {
    const std::string query = PageQuery(client->settings(), page_token);
    request.path = path + (query.empty() ? "" : "?" + query);
    auto body = client->Send(request);
    if (KindOf(body.status()) == ErrorKind::kNotFound) return std::vector<TableIdent>();
    ARROW_RETURN_NOT_OK(body.status());
    auto listed = ParseTablePage(*body);
    if (!listed.ok()) return WithContext(listed.status(), request.what + " at " + client->origin());
    std::move(listed->tables.begin(), listed->tables.end(), std::back_inserter(found));
    page_token = listed->next_page_token;
    if (page_token.empty()) break;
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

Status RestCatalog::DropTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  RestRequest request;
  request.method = "DELETE";
  ARROW_ASSIGN_OR_RAISE(request.path, client->settings().TablePath(ident));
  request.path += "?purgeRequested=false";
  request.what = "dropping " + ident.ToString();
  request.is_change = true;
  if (client->settings().takes_idempotency_keys) request.idempotency_key = TimeOrderedUuid(clock_.Now() / 1000);
  const Status status = client->Send(request).status();
  return KindOf(status) == ErrorKind::kNotFound ? NoSuchTable(ident) : status;
}

void RestCatalog::KeepCredentials(const RestClient& client, const TableIdent& ident, const RestTable& table) {
  if (!vended_) return;
  // What holds for the table is what the server said of the catalog, then of the table, then of the credential.
  KnownTable known{ident, client.settings().storage};
  for (const auto& [key, value] : table.config) known.config[key] = value;
  const bool unasked = options_.access_delegation.empty();  // some hand them out all the same
  if (unasked) std::erase_if(known.config, [](const auto& entry) { return IsCredential(entry.first); });
  const std::string& location = table.table.metadata.location;
  {
    std::lock_guard lock(mutex_);
    tables_[location] = known;
  }
  PutCredentials(location, known, unasked ? std::vector<storage::StorageCredential>() : table.credentials);
}

void RestCatalog::PutCredentials(const std::string& location, const KnownTable& table,
                                 const std::vector<storage::StorageCredential>& credentials) {
  bool covered = false;
  for (const storage::StorageCredential& credential : credentials) {
    std::map<std::string, std::string> whole = table.config;
    for (const auto& [key, value] : credential.config) whole[key] = value;
    covered |= location.starts_with(credential.prefix);
    vended_->Put({credential.prefix, std::move(whole)});
  }
  if (!covered && !table.config.empty()) vended_->Put({location, table.config});
}

Status RestCatalog::RefreshCredentials(const std::string& location) {
  std::optional<KnownTable> table;
  std::string of_table;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [known_location, known] : tables_) {
      if (!location.starts_with(known_location) || known_location.size() < of_table.size()) continue;
      of_table = known_location;
      table = known;
    }
  }
  if (!table) {
    return MakeError(ErrorKind::kConfig, fmt::format("the credentials for {} have expired, and it belongs to no table "
                                                     "that calve loaded from the {}",
                                                     location, name()));
  }
  const std::string what = "renewing the credentials of " + table->ident.ToString();
  ARROW_ASSIGN_OR_RAISE(RestClient * client, Client());
  if (client->settings().Offers(kLoadCredentials)) {
    RestRequest request;
    ARROW_ASSIGN_OR_RAISE(request.path, client->settings().TablePath(table->ident));
    request.path += "/credentials";
    request.what = what;
    ARROW_ASSIGN_OR_RAISE(const std::string body, client->Send(request));
    ARROW_ASSIGN_OR_RAISE(const auto credentials, ParseRestCredentials(body));
    const auto covers = [&](const auto& credential) { return location.starts_with(credential.prefix); };
    if (std::any_of(credentials.begin(), credentials.end(), covers)) {
      PutCredentials(of_table, *table, credentials);
      return Status::OK();
    }
  }
  // Comes with the credentials that the table has now.
  return WithContext(LoadTable(table->ident).status(), what);
}

}  // namespace calve::catalog
