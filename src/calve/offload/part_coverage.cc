#include "calve/offload/part_coverage.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "calve/offload/window.h"

namespace calve::offload {
namespace {

using Json = nlohmann::ordered_json;
const std::string kWholeTable;

Result<int64_t> ParseBlock(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' of system.parts is no block number", text));
}

// "_calve_first >= 1 AND _calve_last <= 9 OR …", where `first` and `last` say what the two are for the first time in a
// query. No lambda over the ranges: before ClickHouse 19 none may use a virtual column.
std::string CoveredText(const BlockRanges& ranges, const std::string& first, const std::string& last) {
  std::string text;
  for (const auto& [min, max] : ranges) {
    text += text.empty() ? fmt::format("{} >= {} AND {} <= {}", first, min, last, max)
                         : fmt::format(" OR _calve_first >= {} AND _calve_last <= {}", min, max);
  }
  return text;
}

}  // namespace

const std::string& PartCoverage::KeyOf(const PartBlocks& part) const {
  return by_partition_ ? part.partition_id : kWholeTable;
}

void PartCoverage::Add(const PartBlocks& part) {
  BlockRanges& ranges = ranges_[KeyOf(part)];
  auto [min, max] = std::pair(part.block_min, part.block_max);
  // The first range that is not wholly before the part, with room for one that touches it.
  auto first = std::find_if(ranges.begin(), ranges.end(), [&](const auto& r) { return r.second >= min - 1; });
  auto last = first;
  for (; last != ranges.end() && last->first <= max + 1; ++last) {
    min = std::min(min, last->first);
    max = std::max(max, last->second);
  }
  ranges.insert(ranges.erase(first, last), {min, max});
}

bool PartCoverage::IsNew(const PartBlocks& part) const {
  const auto found = ranges_.find(KeyOf(part));
  if (found == ranges_.end()) return true;
  return std::none_of(found->second.begin(), found->second.end(),
                      [&](const auto& r) { return r.first <= part.block_min && part.block_max <= r.second; });
}

std::string PartCoverage::NewRowsPredicate() const {
  // A part's name is PARTITION_MIN_MAX_LEVEL[_MUTATION].
  const auto number = [](int which, const char* alias) {
    return fmt::format("(toInt64(splitByChar('_', substring({0}._part, length({0}._partition_id) + 2))[{1}]) AS {2})",
                       kTableAlias, which, alias);
  };
  std::string first = number(1, "_calve_first"), last = number(2, "_calve_last");
  std::string text;
  for (const auto& [partition, ranges] : ranges_) {
    if (ranges.empty()) continue;
    const std::string covered = CoveredText(ranges, first, last);
    first = "_calve_first", last = "_calve_last";
    text += text.empty() ? "" : " OR ";
    text += by_partition_
                ? fmt::format("{}._partition_id = {} AND ({})", kTableAlias, source::QuoteString(partition), covered)
                : covered;
  }
  return text.empty() ? "1" : fmt::format("NOT ({})", text);
}

std::string PartCoverage::ToJson() const {
  Json ranges = Json::object();
  for (const auto& [partition, list] : ranges_) ranges[partition] = list;
  return Json{{"by_partition", by_partition_}, {"ranges", ranges}}.dump();
}

Result<PartCoverage> PartCoverage::FromJson(std::string_view json) {
  const auto damaged = [] { return MakeError(ErrorKind::kCorrupt, "what the journal says of parts does not parse"); };
  const Json root = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("by_partition") || !root["by_partition"].is_boolean() ||
      !root.contains("ranges") || !root["ranges"].is_object()) {
    return damaged();
  }
  PartCoverage coverage(root["by_partition"].get<bool>());
  for (const auto& [partition, list] : root["ranges"].items()) {
    if (!list.is_array()) return damaged();
    for (const Json& range : list) {
      const bool pair =
          range.is_array() && range.size() == 2 && range[0].is_number_integer() && range[1].is_number_integer();
      if (!pair || range[0].get<int64_t>() > range[1].get<int64_t>()) return damaged();
      coverage.Add({partition, range[0].get<int64_t>(), range[1].get<int64_t>()});
    }
  }
  return coverage;
}

std::string PartsQuery(const source::SourceTable& table) {
  return fmt::format(
      "SELECT partition_id, toString(min_block_number), toString(max_block_number) FROM system.parts WHERE active AND "
      "database = {} AND table = {}",
      source::QuoteString(table.database), source::QuoteString(table.name));
}

Result<std::vector<PartBlocks>> PartsOf(const std::vector<std::vector<std::string>>& rows) {
  std::vector<PartBlocks> parts;
  for (const auto& row : rows) {
    PartBlocks part{row.at(0), 0, 0};
    ARROW_ASSIGN_OR_RAISE(part.block_min, ParseBlock(row.at(1)));
    ARROW_ASSIGN_OR_RAISE(part.block_max, ParseBlock(row.at(2)));
    parts.push_back(std::move(part));
  }
  return parts;
}

Result<std::vector<PartBlocks>> ListParts(source::Source& source, const source::SourceTable& table) {
  if (!table.engine.ends_with("MergeTree")) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("{}.{} has the engine {}, which keeps no parts",
                                                          table.database, table.name, table.engine));
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, source::QueryRows(source, PartsQuery(table)));
  return PartsOf(rows);
}

}  // namespace calve::offload
