// What is known about a database before anything is proposed: values that ask_database.h fetches and tests write down.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <vector>

#include "calve/source/introspection.h"

namespace calve::survey {

struct TableName {
  std::string database, name;
  friend auto operator<=>(const TableName&, const TableName&) = default;
};

// What a look at up to a million rows found.
struct Uniqueness {
  int64_t rows = 0, values = 0;
};

struct TableFacts {
  source::SourceTable table;
  std::string engine_full;  // "MergeTree PARTITION BY … TTL … SETTINGS …"; may be empty
  std::string comment;
  std::vector<std::string> partitions;  // of the live parts, as system.parts shows them: "('binance',20240808)"
  std::map<std::string, Uniqueness> uniqueness;  // of UniqueCandidate's column, where it could be asked
};

// A table or view that has no rows of its own to offload, or none that calve can follow.
struct OtherFacts {
  std::string name, engine;
  std::string problem;  // of a table that could not be described; else empty
};

struct DatabaseFacts {
  std::string server;              // for people: "http://127.0.0.1:8123 (ClickHouse 26.5.1.1)"
  std::string database;            // that was asked for
  bool is_urls = false;            // the source's own database: tables need not be qualified
  std::vector<TableFacts> tables;  // MergeTree and its kin, by name
  std::vector<OtherFacts> others;
  std::map<TableName, std::string> views;  // plain and materialised ones, of all databases: their CREATE statement
};

// Neither MATERIALIZED nor ALIAS nor EPHEMERAL: what SELECT * gives.
inline bool IsStored(const source::SourceColumn& column) {
  return column.default_kind.empty() || column.default_kind == "DEFAULT";
}

inline const source::SourceColumn* FindColumn(const source::SourceTable& table, const std::string& name) {
  for (const source::SourceColumn& column : table.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

}  // namespace calve::survey
