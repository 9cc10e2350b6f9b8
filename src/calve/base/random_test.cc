#include "calve/base/random.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace calve {
namespace {

TEST(RandomUuid, IsVersion4AndUnique) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    std::string uuid = RandomUuid();
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(TimeOrderedUuid, IsVersion7AndBeginsWithTheTime) {
  const std::regex form("01910c5a-1000-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    std::string uuid = TimeOrderedUuid(0x01910c5a1000);
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(RandomPositiveInt64, IsPositiveAndWide) {
  std::set<int64_t> seen;
  int64_t highest = 0;
  for (int i = 0; i < 1000; ++i) {
    int64_t value = RandomPositiveInt64();
    EXPECT_GT(value, 0);
    seen.insert(value);
    highest = std::max(highest, value);
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_GT(highest, INT64_MAX / 2);
}

TEST(RandomUnit, StaysInsideTheUnit) {
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    double value = RandomUnit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.05);
}

}  // namespace
}  // namespace calve
