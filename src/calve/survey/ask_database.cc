#include "calve/survey/ask_database.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "calve/source/nearest_name.h"
#include "calve/survey/identity_choice.h"
#include "calve/survey/proposal.h"

namespace calve::survey {
namespace {

constexpr int kRowsLookedAt = 1'000'000;
constexpr int kPartitionsMax = 100'000;
constexpr size_t kNamesShown = 20;

using source::QueryRows;
using source::QuoteIdentifier;
using source::QuoteString;

Status CheckDatabase(source::Source& source, const std::string& database) {
  ARROW_ASSIGN_OR_RAISE(auto rows, QueryRows(source, "SELECT name FROM system.databases ORDER BY name LIMIT 100000"));
  std::vector<std::string> names;
  for (const auto& row : rows) {
    if (row[0] == database) return Status::OK();
    const bool is_own = row[0] == "system" || row[0] == "information_schema" || row[0] == "INFORMATION_SCHEMA";
    if (!is_own) names.push_back(row[0]);
  }
  const std::string nearest = source::NearestName(database, names);
  std::string remedy = nearest.empty() ? "" : fmt::format("Did you mean {}? ", nearest);
  const size_t more = names.size() - std::min(names.size(), kNamesShown);
  names.resize(std::min(names.size(), kNamesShown));
  remedy +=
      names.empty() ? "This user sees none: check its rights." : fmt::format("There are: {}", fmt::join(names, ", "));
  if (!names.empty()) remedy += more == 0 ? "." : fmt::format(" and {} more.", more);
  return MakeError(ErrorKind::kNotFound, fmt::format("{}: there is no database {}", source.name(), database), remedy);
}

// What system.tables says besides what DescribeTable asks for.
struct Listed {
  std::string name, engine, engine_full, create, comment;
};
Result<std::vector<Listed>> ListTables(source::Source& source, const std::string& database) {
  const std::string where = fmt::format(" FROM system.tables WHERE database = {} ORDER BY name", QuoteString(database));
  auto rows = QueryRows(source, "SELECT name, engine, engine_full, create_table_query, comment" + where);
  // Older servers have no comments there.
  if (!rows.ok()) rows = QueryRows(source, "SELECT name, engine, engine_full, create_table_query, ''" + where);
  ARROW_RETURN_NOT_OK(rows.status());
  std::vector<Listed> tables;
  for (auto& row : *rows) {
    tables.push_back({std::move(row[0]), std::move(row[1]), std::move(row[2]), std::move(row[3]), std::move(row[4])});
  }
  return tables;
}

// A view may write into a table of another database.
Status AskViews(source::Source& source, DatabaseFacts* facts) {
  ARROW_ASSIGN_OR_RAISE(auto rows, QueryRows(source,
                                             "SELECT database, name, create_table_query FROM system.tables WHERE "
                                             "engine IN ('MaterializedView', 'View') AND database NOT IN ('system', "
                                             "'information_schema', 'INFORMATION_SCHEMA') ORDER BY database, name"));
  for (auto& row : rows) facts->views.emplace(TableName{row[0], row[1]}, std::move(row[2]));
  return Status::OK();
}

// What helps to choose, and is done without where it is not to be had (rights, time). A lost connection or a stop ends
// the survey.
Result<std::vector<std::vector<std::string>>> AskIfPossible(source::Source& source, const std::string& sql) {
  auto rows = QueryRows(source, sql);
  if (rows.ok()) return rows;
  const ErrorKind kind = KindOf(rows.status());
  if (kind == ErrorKind::kRetry || kind == ErrorKind::kStopped) return rows.status();
  return std::vector<std::vector<std::string>>();
}

Status AskPartitions(source::Source& source, DatabaseFacts* facts) {
  ARROW_ASSIGN_OR_RAISE(
      auto rows, AskIfPossible(source, fmt::format("SELECT table, partition FROM system.parts WHERE active AND "
                                                   "database = {} GROUP BY table, partition ORDER BY table LIMIT {}",
                                                   QuoteString(facts->database), kPartitionsMax)));
  if (rows.size() == kPartitionsMax) return Status::OK();  // which of them are missing is not known
  std::map<std::string, std::vector<std::string>> partitions;
  for (auto& row : rows) partitions[row[0]].push_back(std::move(row[1]));
  for (TableFacts& table : facts->tables) table.partitions = std::move(partitions[table.table.name]);
  return Status::OK();
}

Result<int64_t> NumberOf(const std::string& text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return value;
  return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' is no number", text));
}

Status AskUniqueness(source::Source& source, TableFacts* facts) {
  const std::string column = UniqueCandidate(facts->table);
  if (column.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(
      auto rows,
      AskIfPossible(source, fmt::format("SELECT toString(count()), toString(uniqExact({0})) FROM (SELECT {0} FROM "
                                        "{1}.{2} LIMIT {3})",
                                        QuoteIdentifier(column), QuoteIdentifier(facts->table.database),
                                        QuoteIdentifier(facts->table.name), kRowsLookedAt)));
  if (rows.empty()) return Status::OK();
  Uniqueness& found = facts->uniqueness[column];
  ARROW_ASSIGN_OR_RAISE(found.rows, NumberOf(rows[0].at(0)));
  ARROW_ASSIGN_OR_RAISE(found.values, NumberOf(rows[0].at(1)));
  return Status::OK();
}

Status AskTable(source::Source& source, Listed listed, DatabaseFacts* facts) {
  if (!IsOffloaded(listed.engine)) {
    facts->others.push_back({std::move(listed.name), std::move(listed.engine), ""});
    return Status::OK();
  }
  auto described = source::DescribeTable(source, QuoteIdentifier(facts->database) + "." + QuoteIdentifier(listed.name));
  if (!described.ok()) {
    // Gone since, or without a column that may be read: no reason to do without the others.
    const ErrorKind kind = KindOf(described.status());
    if (kind != ErrorKind::kNotFound && kind != ErrorKind::kConfig) return described.status();
    facts->others.push_back({std::move(listed.name), std::move(listed.engine), MessageOf(described.status())});
    return Status::OK();
  }
  TableFacts table;
  table.table = *std::move(described);
  table.engine_full = std::move(listed.engine_full);
  table.comment = std::move(listed.comment);
  ARROW_RETURN_NOT_OK(AskUniqueness(source, &table));
  facts->tables.push_back(std::move(table));
  return Status::OK();
}

}  // namespace

Result<DatabaseFacts> AskDatabase(source::Source& source, const std::string& database) {
  if (source.cluster()) {
    return MakeError(ErrorKind::kUnsupported, "a database is looked at on one server, and not on a cluster",
                     "Leave the cluster out, and add it to the source of the configuration that is proposed.");
  }
  DatabaseFacts facts;
  facts.database = database.empty() ? source.database() : database;
  facts.is_urls = facts.database == source.database();
  ARROW_ASSIGN_OR_RAISE(const source::ServerInfo server, source::AskServer(source));
  facts.server = fmt::format("{} (ClickHouse {})", source.name(), server.version);
  ARROW_RETURN_NOT_OK(CheckDatabase(source, facts.database));
  ARROW_ASSIGN_OR_RAISE(auto listed, ListTables(source, facts.database));
  if (listed.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("{}: database {} has no table", source.name(), facts.database),
                     "Name another one with --database, or check the user's rights.");
  }
  ARROW_RETURN_NOT_OK(AskViews(source, &facts));
  for (Listed& table : listed) ARROW_RETURN_NOT_OK(AskTable(source, std::move(table), &facts));
  ARROW_RETURN_NOT_OK(AskPartitions(source, &facts));
  return facts;
}

}  // namespace calve::survey
