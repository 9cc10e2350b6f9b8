#include "calve/survey/identity_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "calve/base/text.h"
#include "calve/offload/mode.h"

namespace calve::survey {
namespace {

using offload::Mode;

bool IsUuidId(const source::SourceColumn& column) {
  if (!IsStored(column) || column.type.IsNullable() || column.type.Unwrapped().kind != source::TypeKind::kUuid) {
    return false;
  }
  return Lower(column.name).ends_with("id");  // id, message_id, messageId, uuid
}

bool NamesTheRow(const std::string& column, const std::string& table) {
  constexpr std::array<std::string_view, 6> kNames = {"id", "uuid", "message_id", "event_id", "row_id", "record_id"};
  if (std::ranges::find(kNames, column) != kNames.end()) return true;
  constexpr std::string_view kEnding = "_id";
  if (!column.ends_with(kEnding)) return false;
  const std::string noun = column.substr(0, column.size() - kEnding.size());  // order_id of orders, of bronze_orders
  return table == noun || table == noun + "s" || table.ends_with("_" + noun) || table.ends_with("_" + noun + "s");
}

std::string MergedWhy(const source::SourceTable& table, const offload::RowIdentity& identity) {
  if (identity.mode == Mode::kAppend) return "mode is auto, here append: " + identity.note;
  std::string why = fmt::format(
      "mode is auto, here upsert: {} merges rows by ({}), so rows are read merged, and what changes "
      "replaces the older row in cold",
      table.engine, fmt::join(identity.key, ", "));
  if (identity.key_spans_time) why += ". The key has no cursor in it: a new version may have another time";
  const offload::MergeRules rules = offload::MergeRulesOf(table);
  if (!rules.sign_column.empty()) why += fmt::format(". Rows that {} cancels leave cold, too", rules.sign_column);
  if (!rules.deleted_column.empty()) why += fmt::format(". Rows that {} marks leave cold, too", rules.deleted_column);
  return why;
}

IdentityChoice Merged(const source::SourceTable& table, const std::string& cursor) {
  IdentityChoice choice;
  const auto plain = offload::ResolveIdentity(Mode::kAuto, table, cursor, {});
  if (plain.ok()) {
    choice.mode_why = MergedWhy(table, *plain);
    return choice;
  }
  // Versions that may lie in two partitions: the key takes the cursor in, which holds where a row keeps its time.
  std::vector<std::string> key = offload::PlainSortingKey(table.sorting_key);
  key.push_back(cursor);
  const auto with_cursor = offload::ResolveIdentity(Mode::kAuto, table, cursor, key);
  if (with_cursor.ok()) {
    choice.key = std::move(key);
    choice.key_why = fmt::format(
        "CHECK THIS: {}. The key says that a row keeps its {} for good; if each version is a row of its own, take the "
        "key out and write mode: append",
        MessageOf(plain.status()), cursor);
    choice.mode_why = MergedWhy(table, *with_cursor);
    return choice;
  }
  choice.mode = "append";
  choice.mode_why = fmt::format("CHECK THIS: append, because {}", MessageOf(plain.status()));
  return choice;
}

}  // namespace

std::string UniqueCandidate(const source::SourceTable& table) {
  if (offload::ReadsMerged(table.engine)) return "";
  std::vector<std::string> all, own;
  for (const source::SourceColumn& column : table.columns) {
    if (!IsUuidId(column)) continue;
    all.push_back(column.name);
    if (NamesTheRow(column.name, table.name)) own.push_back(column.name);
  }
  if (!own.empty()) return own.front();
  return all.size() == 1 ? all.front() : "";
}

IdentityChoice ChooseIdentity(const TableFacts& facts, const std::string& cursor) {
  const source::SourceTable& table = facts.table;
  if (offload::ReadsMerged(table.engine)) return Merged(table, cursor);
  IdentityChoice choice;
  choice.mode_why = fmt::format(
      "mode is auto, here append: {} merges no rows; those that come late are added, none is replaced", table.engine);
  const std::string column = UniqueCandidate(table);
  if (column.empty()) return choice;
  const auto found = facts.uniqueness.find(column);
  if (found == facts.uniqueness.end() || found->second.rows == 0) {
    choice.key_why = fmt::format(
        "No key, so whole rows are compared. If {} (a UUID) is unique, key: [{}] makes that quicker; no row was there "
        "to tell by",
        column, column);
  } else if (found->second.rows != found->second.values) {
    choice.key_why = fmt::format("No key, so whole rows are compared: {} is not unique ({} values in {} rows)", column,
                                 found->second.values, found->second.rows);
  } else {
    choice.key = {column};
    choice.key_why = fmt::format(
        "{} tells rows apart where hot and cold are compared: a UUID, unique in the {} rows that were looked at. Take "
        "it "
        "out if two rows may share one",
        column, found->second.rows);
  }
  return choice;
}

}  // namespace calve::survey
