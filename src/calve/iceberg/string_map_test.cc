#include "calve/iceberg/string_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace calve::iceberg {
namespace {

std::map<std::string, std::string> Plain(const StringMap& map) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : map) out.emplace(key, value);
  return out;
}

TEST(StringMap, IsASortedMap) {
  StringMap map = {{"b", "2"}, {"a", "1"}, {"b", "two"}};
  EXPECT_EQ(Plain(map), (std::map<std::string, std::string>{{"a", "1"}, {"b", "two"}}));
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(map.at("b"), "two");
  EXPECT_TRUE(map.contains("a"));
  EXPECT_FALSE(map.contains("aa"));
  EXPECT_EQ(map.find("c"), map.end());
  EXPECT_THROW(map.at("c"), std::out_of_range);
  EXPECT_EQ(map, (StringMap{{"a", "1"}, {"b", "two"}}));
  EXPECT_TRUE(StringMap().empty());
}

TEST(StringMap, HoldsAnyBytes) {
  const std::string nul("x\0y", 3);
  StringMap map;
  map.Set("", "");
  map.Set(nul, std::string(100'000, '\0'));
  EXPECT_EQ(map.at(""), "");
  EXPECT_EQ(map.at(nul).size(), 100'000u);
}

TEST(StringMap, DoesWhatStdMapDoes) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    StringMap map;
    std::map<std::string, std::string> model;
    for (int step = 0; step < 40; ++step) {
      const std::string key(random() % 3, static_cast<char>('a' + random() % 4));
      if (random() % 4 == 0) {
        map.Erase(key);
        model.erase(key);
      } else {
        const std::string value(random() % 5, 'v');
        map.Set(key, value);
        model[key] = value;
      }
      ASSERT_EQ(Plain(map), model);
      ASSERT_EQ(map, StringMap(model));
    }
  }
}

}  // namespace
}  // namespace calve::iceberg
