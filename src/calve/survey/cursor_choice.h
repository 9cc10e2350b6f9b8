// Which column orders the offload of a table, and which number goes with it. Pure.
#pragma once

#include <optional>
#include <string>

#include "calve/survey/facts.h"

namespace calve::survey {

struct CursorChoice {
  std::string timestamp;  // empty: there is none, and `why` says why
  std::string why;
  bool is_certain = true;  // false: a guess that somebody has to look at
  std::string sequence;    // may be empty
  std::string sequence_why;
};

// The first DateTime or DateTime64 of the sorting key, else of the partition key, else of the table; what is not stored
// (MATERIALIZED, ALIAS) does not count. The sequence: an integer of the sorting key behind the cursor whose name says
// that it counts up.
CursorChoice ChooseCursor(const source::SourceTable& table);

// The span of time that a row of a candle table stands for, from its timestamp on.
struct SpanChoice {
  int64_t micros = 0;
  std::string why;
};
// For tables that add rows up (AggregatingMergeTree and its kin) whose cursor is the beginning of an interval by its
// name: what the view that writes it says, else the end of the table's name ("_5m"). `selects` are those of the views
// that write into the table, by their names.
std::optional<SpanChoice> ChooseSpan(const source::SourceTable& table, const std::string& cursor,
                                     const std::map<std::string, std::string>& selects);

}  // namespace calve::survey
