#include "calve/source/distributed_table.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

TEST(DistributedTable, AsServersPrintIt) {
  const auto old = ParseDistributed("Distributed(shards, default, local, cityHash64(id, toDate(ts)))");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->cluster, "shards");
  EXPECT_EQ(old->database, "default");
  EXPECT_EQ(old->table, "local");
  EXPECT_EQ(old->sharding_key, "cityHash64(id, toDate(ts))");
  const auto now = ParseDistributed("Distributed('my cluster', 'd\\'b', 't(1), x', rand(), 'policy') SETTINGS a = 1");
  ASSERT_TRUE(now);
  EXPECT_EQ(now->cluster, "my cluster");
  EXPECT_EQ(now->database, "d'b");
  EXPECT_EQ(now->sharding_key, "rand()");
  EXPECT_EQ(ParseDistributed("Distributed('c', '', 'local')")->database, "");
  EXPECT_EQ(ParseDistributed("Distributed('c', currentDatabase(), 'local')")->database, "");
}

TEST(DistributedTable, WhatIsNone) {
  for (const char* text : {"", "MergeTree ORDER BY a", "Distributed", "Distributed('c', 'd'", "Distributed('c', 'd')",
                           "Distributed('c', 'd', 'unclosed", "Distributed('c', numbers(10))", "Distributed()"}) {
    EXPECT_FALSE(ParseDistributed(text)) << text;
  }
}

}  // namespace
}  // namespace calve::source
