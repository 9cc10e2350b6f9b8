#include "calve/offload/mode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace calve::offload {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Columns of the table that the text of an expression names.
std::vector<std::string> ColumnsIn(const std::string& expression, const source::SourceTable& table) {
  std::vector<std::string> found;
  for (size_t at = 0; at < expression.size();) {
    const bool quoted = expression[at] == '`';
    size_t end = at + quoted;
    auto in_name = [&](char c) { return quoted ? c != '`' : std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    while (end < expression.size() && in_name(expression[end])) ++end;
    const std::string name = expression.substr(at + quoted, end - at - quoted);
    const bool known = std::any_of(table.columns.begin(), table.columns.end(),
                                   [&](const source::SourceColumn& column) { return column.name == name; });
    if (known) found.push_back(name);
    at = std::max(end + quoted, at + 1);
  }
  return found;
}

std::string NameOf(const source::SourceTable& table) { return table.database + "." + table.name; }

Result<RowIdentity> Merged(const source::SourceTable& table, const std::string& cursor,
                           const std::vector<std::string>& key, bool asked) {
  const std::vector<std::string> sorting = PlainSortingKey(table.sorting_key);
  RowIdentity identity{Mode::kUpsert, key.empty() ? sorting : key, false, ""};
  if (sorting.empty() && key.empty()) {
    std::string problem =
        fmt::format("{} merges rows by ({}), which is more than plain columns", NameOf(table), table.sorting_key);
    if (asked) {
      return MakeError(ErrorKind::kConfig, problem + ": changed rows have no key to be replaced by",
                       "Name columns that tell merged rows apart with --key, or use --mode append.");
    }
    identity.mode = Mode::kAppend;
    identity.note = problem +
                    ": rows that come late or change after their window are not taken over (name a --key to have "
                    "them looked for)";
    return identity;
  }
  for (const std::string& column : sorting) {
    if (Contains(identity.key, column)) continue;
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("--key {} leaves out {}, by which {} tells rows apart", fmt::join(key, ","), column, NameOf(table)),
        fmt::format("Name at least the sorting key: --key {}.", fmt::join(sorting, ",")));
  }
  identity.key_spans_time = !Contains(identity.key, cursor);
  if (!identity.key_spans_time) return identity;
  // Versions of a row in two partitions are never merged, and which of them FINAL shows depends on the query's range.
  for (const std::string& column : ColumnsIn(table.partition_key, table)) {
    if (Contains(identity.key, column)) continue;
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("{} is partitioned by {}, which is not in its sorting key ({}): versions of one row may lie in two "
                    "partitions, where ClickHouse does not merge them",
                    NameOf(table), column, table.sorting_key),
        fmt::format("If a row keeps its {0} for good, say so with --key {1},{0}; if each version is a row of its own, "
                    "use --mode append.",
                    cursor, fmt::join(identity.key, ",")));
  }
  return identity;
}

// What is worth knowing of a Distributed table; else empty.
std::string UnknownBehind(const source::SourceTable& table) {
  if (table.engine != "Distributed" || !table.engine_behind.empty()) return "";
  return fmt::format(
      "which engine is behind {} is not known here: rows are read as they are. If it is one that merges rows "
      "(Replacing, Aggregating …), offload from a server that has the table behind it",
      NameOf(table));
}

// A key's rows are merged by each shard for itself.
std::string SpreadOverShards(const source::SourceTable& table) {
  if (table.engine != "Distributed" && table.shards <= 1) return "";
  const std::vector<std::string> key = PlainSortingKey(table.sorting_key);
  if (table.shards > 1 && table.sharding_key.empty()) {
    return fmt::format(
        "each shard merges the rows of {} by itself: if versions of a row are on two shards, both are offloaded (name "
        "the Distributed table to have its sharding key looked at)",
        NameOf(table));
  }
  const std::vector<std::string> sharding = ColumnsIn(table.sharding_key, table);
  const bool follows = !sharding.empty() && std::all_of(sharding.begin(), sharding.end(),
                                                        [&](const std::string& name) { return Contains(key, name); });
  if (follows) return "";
  return fmt::format(
      "{} is not sharded by columns of ({}), by which {} merges rows: versions of a row on two shards are not merged, "
      "and both are offloaded",
      NameOf(table), table.sorting_key, table.merging_engine());
}

}  // namespace

bool ReadsMerged(const std::string& engine) {
  if (!engine.ends_with("MergeTree")) return false;
  for (const char* kind : {"Replacing", "Aggregating", "Summing", "Collapsing", "Coalescing", "Graphite"}) {
    if (engine.find(kind) != std::string::npos) return true;
  }
  return false;
}

MergeRules MergeRulesOf(const source::SourceTable& table) {
  MergeRules rules;
  const std::string& engine = table.merging_engine();
  rules.merges = ReadsMerged(engine);
  const bool replacing = engine.find("Replacing") != std::string::npos;
  rules.whole_rows = !rules.merges || replacing;
  const auto& columns = table.engine_arguments;
  if (replacing && columns.size() > 1) rules.deleted_column = columns[1];
  if (engine.find("Collapsing") != std::string::npos && !columns.empty()) rules.sign_column = columns[0];
  return rules;
}

Result<RowIdentity> ResolveIdentity(Mode asked, const source::SourceTable& table, const std::string& cursor,
                                    const std::vector<std::string>& key) {
  const bool merges = ReadsMerged(table.merging_engine());
  if (asked == Mode::kUpsert && !merges) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("--mode upsert: {} is a {}, which does not merge the versions of a row: which of them "
                                 "stands is not defined",
                                 NameOf(table), table.merging_engine()),
                     "Use --mode append, or a ReplacingMergeTree.");
  }
  if (table.engine.empty() && table.query.empty() && asked == Mode::kAuto) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the engine of {} cannot be seen, and so not whether it merges the versions of a row",
                                 NameOf(table)),
                     "Grant the source's user SHOW TABLES on it (and SELECT on system.tables), or say --mode append.");
  }
  if (asked == Mode::kAppend || !merges) return RowIdentity{Mode::kAppend, key, false, UnknownBehind(table)};
  ARROW_ASSIGN_OR_RAISE(RowIdentity identity, Merged(table, cursor, key, asked == Mode::kUpsert));
  if (identity.note.empty() && identity.mode == Mode::kUpsert) identity.note = SpreadOverShards(table);
  return identity;
}

std::vector<std::string> PlainSortingKey(const std::string& sorting_key) {
  std::vector<std::string> names;
  size_t at = 0;
  while (at < sorting_key.size()) {
    size_t comma = std::min(sorting_key.find(',', at), sorting_key.size());
    std::string name = sorting_key.substr(at, comma - at);
    name.erase(0, name.find_first_not_of(' '));
    name.resize(name.find_last_not_of(' ') + 1);
    if (name.size() > 2 && name.front() == '`' && name.back() == '`') name = name.substr(1, name.size() - 2);
    bool plain = !name.empty() && name.find_first_of("()'` +-*/%") == std::string::npos;
    if (!plain) return {};
    names.push_back(name);
    at = comma + 1;
  }
  return names;
}

}  // namespace calve::offload
