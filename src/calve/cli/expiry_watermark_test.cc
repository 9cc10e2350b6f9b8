// An expiry of calve's own never changes what the watermark reads as: only here are both at hand.
#include <gtest/gtest.h>

#include <vector>

#include "calve/iceberg/table_update.h"
#include "calve/maintain/snapshot_expiry.h"
#include "calve/maintain/testing_history.h"
#include "calve/offload/watermark.h"

namespace calve::cli {
namespace {

std::string Told(const iceberg::TableMetadata& metadata) {
  const auto read = offload::ReadWatermark(metadata);
  if (!read.ok()) return std::string(ErrorKindName(KindOf(read.status())));
  if (!*read) return "none";
  return FormatTimestamp((*read)->stamp.window_to) + " of " + std::to_string((*read)->snapshot_id) +
         ((*read)->from_property ? ", by the property" : "");
}

TEST(ExpiryAndWatermark, RandomHistoriesReadTheSameAfterwards) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    maintain::RandomHistory history(seed);
    const iceberg::TableMetadata& metadata = history.metadata();
    const maintain::ExpiryRule rule{history.now_ms(), history.Below(30) * maintain::RandomHistory::kHourMs,
                                    1 + history.Below(3)};
    const auto plan = *maintain::PlanExpiry(metadata, rule);
    std::vector<iceberg::TableUpdate> updates;
    for (const std::string& name : plan.refs) updates.push_back(iceberg::RemoveSnapshotRef{name});
    for (const int64_t id : plan.expired) updates.push_back(iceberg::RemoveSnapshots{{id}});
    const auto after = iceberg::ApplyUpdates(metadata, updates, history.now_ms());
    ASSERT_TRUE(after.ok()) << seed << ": " << after.status().ToString();
    const std::string before = Told(metadata);
    ASSERT_EQ(Told(*after), before) << seed;
    if (plan.expired.empty()) continue;
    ++seen[before.find("property") != std::string::npos ? "property" : before.size() > 10 ? "main" : before];
  }
  for (const char* way : {"main", "property", "none", "config"}) EXPECT_GT(seen[way], 5) << way;
}

}  // namespace
}  // namespace calve::cli
