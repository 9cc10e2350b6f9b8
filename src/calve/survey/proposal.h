// What a configuration should say about each table of a database, and why. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/survey/column_choice.h"
#include "calve/survey/cursor_choice.h"
#include "calve/survey/facts.h"
#include "calve/survey/identity_choice.h"
#include "calve/survey/order_choice.h"
#include "calve/survey/partition_choice.h"

namespace calve::survey {

struct TableProposal {
  std::string about;       // for people: engine, size, TTL, the table's own comment
  std::string source;      // as the configuration names it
  std::string name;        // empty: what the loader makes of `source`
  std::string target;      // "cold.trades"
  std::string target_why;  // empty where it is the table's name
  OrderChoice order;
  CursorChoice cursor;
  std::optional<SpanChoice> span;
  IdentityChoice identity;
  PartitionChoice partitions;
  std::vector<ColumnChoice> columns;
  std::vector<std::string> notes;  // what else has to be known
};

struct LeftOut {
  std::string table, reason;
};

struct Proposal {
  std::vector<TableProposal> tables;          // that can be offloaded: by layer, in an order in which they may be
  std::vector<TableProposal> without_cursor;  // to be completed by hand
  std::vector<LeftOut> left_out;              // everything else of the database, and those without a cursor; by name
};

// kConfig where the namespace is none.
Result<Proposal> Propose(const DatabaseFacts& facts, const std::string& name_space);

// Whether tables of the engine are proposed at all: MergeTree and its kin.
bool IsOffloaded(const std::string& engine);

}  // namespace calve::survey
