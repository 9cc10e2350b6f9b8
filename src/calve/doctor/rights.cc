#include "calve/doctor/rights.h"

#include <algorithm>

namespace calve::doctor {
namespace {

using source::QuoteIdentifier;

constexpr const char* kSyntaxError = "Code 62:";
const source::QueryOptions kWithoutFormat{"", {}, false};
constexpr const char* kPage = "docs/clickhouse-rights.md lists what each command needs.";

bool Says(const Status& status, const char* what) {
  return !status.ok() && MessageOf(status).find(what) != std::string::npos;
}

std::string On(const source::SourceTable& table) {
  return fmt::format("{}.{}", QuoteIdentifier(table.database), QuoteIdentifier(table.name));
}

// The database in which `view` ("v" or "db.v") is made.
std::string DatabaseOf(const std::string& view, const source::SourceTable& table) {
  const size_t dot = view.find('.');
  std::string database = dot == std::string::npos ? table.database : view.substr(0, dot);
  std::erase(database, '`');
  return database;
}

// 0: free; 1: reads only; 2: reads, and may change settings. -1: not told.
int ReadOnly(source::Source& source) {
  auto rows = source::QueryRows(source, "SELECT value FROM system.settings WHERE name = 'readonly'");
  if (!rows.ok() || rows->empty() || rows->front()[0].size() != 1) return -1;
  return rows->front()[0][0] - '0';
}

Finding Missing(const std::string& about, const NeededRight& right, const std::string& user) {
  return {right.level, about, fmt::format("{} has no right to {}: {}", user, right.privilege, right.without),
          fmt::format("GRANT {} TO {}; {}", right.privilege, user, kPage)};
}

// Whether the plan of a query says that rows are filtered before it sees them. An old server that does not tell (no
// EXPLAIN) passes for one without policies.
bool HasRowFilter(source::Source& source, const source::SourceTable& table) {
  auto rows = source::QueryRows(source, fmt::format("EXPLAIN actions = 1 SELECT * FROM {}", On(table)));
  return rows.ok() && std::any_of(rows->begin(), rows->end(), [](const auto& row) {
           return row[0].find("Row level filter") != std::string::npos ||
                  row[0].find("ow-level security") != std::string::npos;
         });
}

}  // namespace

std::vector<NeededRight> RightsNeeded(const source::SourceTable& described, const config::TableConfig& table,
                                      bool retires) {
  std::vector<NeededRight> rights;
  if (described.query.empty()) {
    rights.push_back({fmt::format("SELECT ON {}", On(described)),
                      "columns that it may not read are not seen, and are missing (or NULL) in cold"});
  }
  const bool has_parts = described.engine.ends_with("MergeTree");
  if (has_parts && (table.lookback_micros > 0 || retires)) {
    rights.push_back({"SELECT ON system.parts",
                      retires ? "nothing can be retired, and rows that come late are not looked for"
                              : "rows that come late are not looked for",
                      retires ? Level::kError : Level::kWarning});
  }
  if (!table.view.empty()) {
    const std::string without = fmt::format("the view {} keeps its old split", table.view);
    const std::string database = QuoteIdentifier(DatabaseOf(table.view, described));
    // CREATE OR REPLACE makes another view and exchanges the two, as one renames tables.
    for (const char* privilege : {"SELECT", "INSERT", "CREATE TABLE", "DROP TABLE"}) {
      rights.push_back({fmt::format("{} ON {}.*", privilege, database), without, Level::kWarning, true});
    }
    rights.push_back({"READ ON FILE", without, Level::kWarning, true, "FILE ON *.*"});  // since 25.7
  }
  if (retires && has_parts) {
    rights.push_back({fmt::format("ALTER DELETE ON {}", On(described)), "no part can be dropped", Level::kError, true});
    rights.push_back({"SELECT ON system.mutations", "nothing can be retired", Level::kError});
  }
  return rights;
}

std::vector<Finding> CheckRights(const std::string& about, source::Source& source,
                                 const std::vector<NeededRight>& rights) {
  std::vector<Finding> findings;
  const int read_only = ReadOnly(source);
  auto asked = source::QueryRows(source, "SELECT currentUser()");
  const std::string user = asked.ok() && !asked->empty() ? asked->front()[0] : "the source's user";
  bool told = false;
  for (const NeededRight& right : rights) {
    if (right.writes && read_only > 0) {
      findings.push_back({right.level, about,
                          fmt::format("{} reads only (readonly = {}): {}", user, read_only, right.without),
                          fmt::format("Give it a profile without readonly, and just {}.", right.privilege)});
      continue;
    }
    auto may = source::QueryRows(source, "CHECK GRANT " + right.privilege, kWithoutFormat);
    if (Says(may.status(), kSyntaxError) && !right.before.empty()) {
      may = source::QueryRows(source, "CHECK GRANT " + right.before, kWithoutFormat);
    }
    if (may.ok() && !may->empty()) {
      if (may->front()[0] == "0") findings.push_back(Missing(about, right, user));
      continue;
    }
    if (!right.writes || told) continue;
    told = true;
    findings.push_back(
        {Level::kOk, about,
         fmt::format("whether {} has the right to {} is not known: {}", user, right.privilege,
                     Says(may.status(), kSyntaxError) ? "this server has no CHECK GRANT" : MessageOf(may.status())),
         ""});
  }
  return findings;
}

std::vector<Finding> CheckRowPolicies(const std::string& about, source::Source& source,
                                      const source::SourceTable& described) {
  if (!described.query.empty() || !HasRowFilter(source, described)) return {};
  return {
      {Level::kWarning, about,
       "a row policy applies to the source's user: only rows that it may see are offloaded, and `calve verify` sees "
       "no others either",
       "Where cold is to hold all rows, exempt the user: CREATE ROW POLICY … USING 1 TO user, or no policy for it. "
       "`calve retire` keeps parts that have hidden rows."}};
}

}  // namespace calve::doctor
