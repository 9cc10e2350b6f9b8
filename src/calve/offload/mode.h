// How an engine merges rows, and what that makes of their copy: append or upsert, by which key. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/source/introspection.h"

namespace calve::offload {

enum class Mode { kAuto, kAppend, kUpsert };

// Engines whose rows are only whole after merging: they are read with FINAL.
bool ReadsMerged(const std::string& engine);

struct MergeRules {
  bool merges = false;
  // A row stands for itself (Replacing), or is a piece of what its key adds up to (Aggregating, Summing, Collapsing …):
  // once hot has dropped a piece, what is left there is not the row.
  bool whole_rows = true;
  std::string sign_column;     // Collapsing: merged rows with a sign below zero cancel what is not there
  std::string deleted_column;  // Replacing: the row is deleted where it is not 0

  // Hot shows the key, and that it is no longer there.
  bool tells_deletions() const { return !sign_column.empty() || !deleted_column.empty(); }
};
MergeRules MergeRulesOf(const source::SourceTable& table);

struct RowIdentity {
  Mode mode = Mode::kAppend;     // resolved
  std::vector<std::string> key;  // source columns; may be empty in mode append
  // A new version of a row may have another time than the old one: the old one may lie anywhere in cold.
  bool key_spans_time = false;
  std::string note;  // for people; may be empty
};

// `auto` is upsert for engines that merge rows, else append. The key is the sorting key unless more columns are named.
// kConfig where the mode does not fit the engine, or keys could not be told apart, with the way out.
Result<RowIdentity> ResolveIdentity(Mode asked, const source::SourceTable& table, const std::string& cursor,
                                    const std::vector<std::string>& key);

// The columns of "exchange, `symbol`, ts"; empty where it is more than plain columns.
std::vector<std::string> PlainSortingKey(const std::string& sorting_key);

}  // namespace calve::offload
