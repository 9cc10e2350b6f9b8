#include "calve/offload/hot_parts.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "calve/offload/verify_plan.h"

namespace calve::offload {
namespace {

using source::QuoteString;

Result<int64_t> ParseCount(const std::string& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("ClickHouse answered '{}' where a number was asked for", text));
  }
  return number;
}

std::string OfTable(const source::SourceTable& table) {
  return fmt::format("database = {} AND table = {}", QuoteString(table.database), QuoteString(table.name));
}

std::string NameList(const std::vector<HotPart>& parts) {
  std::string list;
  for (const HotPart& part : parts) list += (list.empty() ? "" : ", ") + QuoteString(part.name);
  return list;
}

// Words of an expression that may be columns' names.
std::set<std::string> WordsOf(const std::string& expression) {
  std::set<std::string> words;
  std::string word;
  bool quoted = false;
  for (char c : expression + " ") {
    const bool part_of_word = quoted ? c != '`' : std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
    if (part_of_word) {
      word += c;
      continue;
    }
    if (!word.empty()) words.insert(std::exchange(word, ""));
    if (c == '`') quoted = !quoted;
  }
  return words;
}

Status AskRowsSeen(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                   TimestampMicros limit, const source::QueryOptions& options, std::map<std::string, HotPart>& parts) {
  const std::string column = CursorName(cursor);
  ARROW_ASSIGN_OR_RAISE(
      const auto rows,
      source::QueryRows(source,
                        fmt::format("SELECT {0}._part, toString(min({1}), 'UTC'), toString(max({1}), 'UTC'), "
                                    "toString(count()), toString(count() - count({1})), toString(max({1}) <= {2}) "
                                    "FROM {3} GROUP BY {0}._part",
                                    kTableAlias, column, CursorLiteral(limit, cursor), FromClause(table)),
                        options));
  for (const auto& row : rows) {
    auto found = parts.find(row.at(0));
    if (found == parts.end()) continue;  // came since
    HotPart& part = found->second;
    ARROW_ASSIGN_OR_RAISE(part.rows_seen, ParseCount(row.at(3)));
    ARROW_ASSIGN_OR_RAISE(part.rows_null_cursor, ParseCount(row.at(4)));
    part.rows_allowed = part.rows_seen;
    if (part.rows_null_cursor == part.rows_seen) continue;
    ARROW_ASSIGN_OR_RAISE(part.first, ParseTimestamp(row.at(1)));
    ARROW_ASSIGN_OR_RAISE(part.last, ParseTimestamp(row.at(2)));
    part.old = row.at(5) == "1";
  }
  return Status::OK();
}

// Rows that were deleted are not seen, and need not be in cold; rows that a row policy hides are not seen either.
Status AskRowsAllowed(source::Source& source, const source::SourceTable& table, source::QueryOptions options,
                      std::map<std::string, HotPart>& parts) {
  std::vector<HotPart> asked;
  for (const auto& [name, part] : parts) {
    if (part.has_deleted_rows) asked.push_back(part);
  }
  if (asked.empty()) return Status::OK();
  options.settings["apply_deleted_mask"] = "0";
  ARROW_ASSIGN_OR_RAISE(
      const auto rows,
      source::QueryRows(source,
                        fmt::format("SELECT {0}._part, toString(count()) FROM {1} WHERE {0}._part IN ({2}) GROUP BY "
                                    "{0}._part",
                                    kTableAlias, FromClause(table), NameList(asked)),
                        options));
  for (const auto& row : rows) {
    ARROW_ASSIGN_OR_RAISE(parts[row.at(0)].rows_allowed, ParseCount(row.at(1)));
  }
  return Status::OK();
}

}  // namespace

bool PartitionFollowsKey(const source::SourceTable& table) {
  const std::vector<std::string> key = PlainSortingKey(table.sorting_key);
  const std::set<std::string> words = WordsOf(table.partition_key);
  return std::all_of(table.columns.begin(), table.columns.end(), [&](const source::SourceColumn& column) {
    return !words.contains(column.name) || std::find(key.begin(), key.end(), column.name) != key.end();
  });
}

Result<std::vector<HotPart>> ListHotParts(source::Source& source, const source::SourceTable& table,
                                          const Cursor& cursor, TimestampMicros limit,
                                          const source::QueryOptions& options) {
  const auto query = [&](const char* has_deleted_rows) {
    return fmt::format(
        "SELECT name, partition_id, toString(min_block_number), toString(max_block_number), "
        "toString(rows), toString(bytes_on_disk), toString({}) FROM system.parts WHERE active AND rows > "
        "0 AND {}",
        has_deleted_rows, OfTable(table));
  };
  auto listed = source::QueryRows(source, query("has_lightweight_delete"));
  // Before 23.3. Where rows can be deleted all the same, they count as hidden, and their parts stay.
  if (!listed.ok() && MessageOf(listed.status()).find("Code 47:") != std::string::npos) {
    listed = source::QueryRows(source, query("0"));
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, std::move(listed));
  std::map<std::string, HotPart> parts;
  for (const auto& row : rows) {
    HotPart part{.name = row.at(0), .partition_id = row.at(1)};
    ARROW_ASSIGN_OR_RAISE(part.block_min, ParseCount(row.at(2)));
    ARROW_ASSIGN_OR_RAISE(part.block_max, ParseCount(row.at(3)));
    ARROW_ASSIGN_OR_RAISE(part.rows, ParseCount(row.at(4)));
    ARROW_ASSIGN_OR_RAISE(part.bytes, ParseCount(row.at(5)));
    part.has_deleted_rows = row.at(6) == "1";
    parts[part.name] = std::move(part);
  }
  ARROW_RETURN_NOT_OK(AskRowsSeen(source, table, cursor, limit, options, parts));
  ARROW_RETURN_NOT_OK(AskRowsAllowed(source, table, options, parts));
  std::vector<HotPart> list;
  for (auto& [name, part] : parts) list.push_back(std::move(part));
  std::sort(list.begin(), list.end(), [](const HotPart& a, const HotPart& b) {
    return std::tie(a.first, a.block_min, a.name) < std::tie(b.first, b.block_min, b.name);
  });
  return list;
}

Result<std::set<std::string>> AskNames(source::Source& source, const std::string& sql,
                                       const source::QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, source::QueryRows(source, sql, options));
  std::set<std::string> names;
  for (const auto& row : rows) names.insert(row.at(0));
  return names;
}

Result<std::set<std::string>> ActivePartNames(source::Source& source, const source::SourceTable& table) {
  return AskNames(source, fmt::format("SELECT name FROM system.parts WHERE active AND {}", OfTable(table)), {});
}

Status CheckColumnsAreSeen(source::Source& source, const source::SourceTable& table) {
  // system.columns shows those that may be read; DESCRIBE shows all or is refused.
  auto described =
      source::QueryRows(source, fmt::format("DESCRIBE TABLE {}.{}", source::QuoteIdentifier(table.database),
                                            source::QuoteIdentifier(table.name)));
  std::string hidden;
  if (described.ok()) {
    for (const auto& row : *described) {
      const bool seen = std::any_of(table.columns.begin(), table.columns.end(),
                                    [&](const source::SourceColumn& column) { return column.name == row.at(0); });
      if (!seen) hidden = row.at(0);
    }
    if (hidden.empty()) return Status::OK();
  } else if (MessageOf(described.status()).find("Code 497:") == std::string::npos) {
    return described.status();
  }
  return MakeError(ErrorKind::kConfig,
                   fmt::format("the source's user does not see all columns of {}.{}{}: their values are not in cold",
                               table.database, table.name, hidden.empty() ? "" : fmt::format(" ({})", hidden)),
                   "Grant it SELECT on the whole table, and offload and verify it again.");
}

Result<PartState> AskPartState(source::Source& source, const source::SourceTable& table, const HotPart& part) {
  ARROW_ASSIGN_OR_RAISE(
      const auto names,
      AskNames(source,
               fmt::format("SELECT name FROM system.parts WHERE active AND rows > 0 AND {} AND partition_id = {} AND "
                           "min_block_number <= {} AND max_block_number >= {}",
                           OfTable(table), QuoteString(part.partition_id), part.block_min, part.block_max),
               {}));
  if (names.empty()) return PartState::kDropped;
  return names.contains(part.name) ? PartState::kActive : PartState::kMerged;
}

Status CheckNothingIsPending(source::Source& source, const source::SourceTable& table) {
  ARROW_ASSIGN_OR_RAISE(
      const auto mutations,
      source::QueryRows(source,
                        fmt::format("SELECT mutation_id, command, latest_fail_reason FROM system.mutations WHERE "
                                    "NOT is_done AND {} ORDER BY create_time",
                                    OfTable(table))));
  if (!mutations.empty()) {
    const auto& first = mutations.front();
    const std::string failed = first.at(2).empty() ? "" : fmt::format(" (it fails: {})", first.at(2));
    return MakeError(
        ErrorKind::kRetry,
        fmt::format("{} unfinished mutation{} of {}.{}: {} {}{}", mutations.size(), mutations.size() == 1 ? "" : "s",
                    table.database, table.name, first.at(0), first.at(1), failed),
        "Run again when system.mutations shows it done, or end it with KILL MUTATION.");
  }
  ARROW_ASSIGN_OR_RAISE(
      const auto patches,
      AskNames(source,
               fmt::format("SELECT name FROM system.parts WHERE active AND startsWith(name, 'patch-') "
                           "AND {}",
                           OfTable(table)),
               {}));
  if (patches.empty()) return Status::OK();
  return MakeError(ErrorKind::kRetry,
                   fmt::format("{}.{} has updates that are not yet in its parts (patch part {})", table.database,
                               table.name, *patches.begin()),
                   "Run ALTER TABLE … APPLY PATCHES, then again.");
}

std::vector<std::string> SharedKeyQueries(const source::SourceTable& table, const Cursor& cursor,
                                          const std::vector<HotPart>& all, const std::vector<HotPart>& old) {
  if (old.empty()) return {};
  const std::vector<std::string> key = PlainSortingKey(table.sorting_key);
  std::string range = "1";
  if (std::find(key.begin(), key.end(), cursor.column) != key.end()) {
    Window window{old.front().first, old.front().last};
    for (const HotPart& part : old) {
      window.from = std::min(*window.from, part.first);
      window.to = std::max(window.to, part.last);
    }
    // Values are cut to the microsecond, and literals to the cursor's precision.
    window.from = *window.from - kMicrosPerSecond;
    window.to += kMicrosPerSecond;
    range = WindowPredicate(window, cursor);
  }
  // Without a sorting key all rows have the same one.
  const std::string hashed = table.sorting_key.empty() ? "1" : table.sorting_key;
  const auto query = [&](const std::string& scope) {
    return fmt::format(
        "SELECT DISTINCT arrayJoin(_calve_parts) FROM (SELECT groupUniqArray({0}._part) AS _calve_parts "
        "FROM {1} WHERE {2} AND {3} GROUP BY cityHash64({4}) HAVING length(_calve_parts) > 1)",
        kTableAlias, FromClause(table), scope, range, hashed);
  };
  if (!PartitionFollowsKey(table)) {
    return all.size() > 1 ? std::vector<std::string>{query("1")} : std::vector<std::string>{};
  }
  std::map<std::string, int64_t> counts;
  for (const HotPart& part : all) ++counts[part.partition_id];
  std::set<std::string> partitions;
  for (const HotPart& part : old) {
    if (counts[part.partition_id] > 1) partitions.insert(part.partition_id);
  }
  std::vector<std::string> queries;
  for (const std::string& partition : partitions) {
    queries.push_back(query(fmt::format("{}._partition_id = {}", kTableAlias, QuoteString(partition))));
  }
  return queries;
}

std::string PartsInRangesQuery(const source::SourceTable& table, const Cursor& cursor,
                               const std::vector<HotPart>& parts, const std::vector<Window>& ranges) {
  std::string any;
  for (const Window& range : ranges) any += (any.empty() ? "" : " OR ") + WindowPredicate(range, cursor);
  return fmt::format("SELECT DISTINCT {0}._part FROM {1} WHERE {0}._part IN ({2}) AND ({3})", kTableAlias,
                     FromClause(table), NameList(parts), any);
}

}  // namespace calve::offload
