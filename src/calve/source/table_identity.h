// Whether a source has the table that something was planned on, and not another one of its name.
#pragma once

#include <string>

#include "calve/source/introspection.h"

namespace calve::source {

struct TableIdentity {
  std::string query;  // its answer is one text; empty: nothing tells the table from another one of its name
  std::string answer;
};

// Of a MergeTree its UUID; of a Replicated* one its path in ZooKeeper, which all its replicas have. Nothing of others
// (views, Distributed tables), of databases that give no UUIDs, of a cluster (the servers' names tell more), and where
// the user may not ask.
Result<TableIdentity> IdentityOf(Source& source, const SourceTable& table);

// kConfig, with the remedy, where the source has another table of that name, or none.
Status CheckIdentity(Source& source, const TableIdentity& identity, const std::string& table);

}  // namespace calve::source
