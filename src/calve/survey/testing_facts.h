// Builders for tests of survey/: tables as ClickHouse describes them.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "calve/survey/facts.h"

namespace calve::survey {

using Columns = std::initializer_list<std::pair<std::string, std::string>>;

inline TableFacts MakeTable(const std::string& name, const std::string& engine, Columns columns,
                            const std::string& sorting_key, const std::string& partition_key = "") {
  TableFacts facts;
  facts.table.database = "k2";
  facts.table.name = name;
  facts.table.engine = engine;
  facts.table.sorting_key = sorting_key;
  facts.table.partition_key = partition_key;
  for (const auto& [column, type] : columns) {
    source::SourceColumn described;
    described.name = column;
    // As introspection does it: a type that calve does not know keeps its text.
    if (auto parsed = source::ParseClickHouseType(type); parsed.ok()) described.type = *std::move(parsed);
    described.type.text = type;
    facts.table.columns.push_back(std::move(described));
  }
  return facts;
}

inline DatabaseFacts MakeDatabase(std::vector<TableFacts> tables) {
  DatabaseFacts facts;
  facts.server = "http://127.0.0.1:8123 (ClickHouse 26.5.1.1)";
  facts.database = "k2";
  facts.is_urls = true;
  facts.tables = std::move(tables);
  return facts;
}

}  // namespace calve::survey
