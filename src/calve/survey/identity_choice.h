// What tells a table's rows apart, and what mode `auto` makes of its engine. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/survey/facts.h"

namespace calve::survey {

struct IdentityChoice {
  std::string mode;              // empty: auto
  std::string mode_why;          // what auto makes of the engine
  std::vector<std::string> key;  // empty: none is needed, or none is known
  std::string key_why;           // may be empty; where `key` is, a hint
};
IdentityChoice ChooseIdentity(const TableFacts& facts, const std::string& cursor);

// The column that looks as if it told rows apart in a table whose engine merges none: a UUID named like an id, the only
// one or the row's own by its name (id, message_id, order_id of orders). Whether it does, the rows have to tell. Empty
// where there is none.
std::string UniqueCandidate(const source::SourceTable& table);

}  // namespace calve::survey
