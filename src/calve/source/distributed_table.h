// What a Distributed table stands for. Pure.
#pragma once

#include <optional>
#include <string>

namespace calve::source {

struct DistributedOver {
  std::string cluster, database, table;  // database empty: the cluster's own
  std::string sharding_key;              // an expression; empty where there is none
};

// From its engine_full: "Distributed(shards, default, local, rand())" as 18.16 prints it, "Distributed('shards',
// 'default', 'local', cityHash64(id), 'policy') SETTINGS …" as later ones do. Nothing where it stands for something
// else than a table on each shard (a table function).
std::optional<DistributedOver> ParseDistributed(const std::string& engine_full);

}  // namespace calve::source
