#include "calve/source/nearest_name.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

TEST(NearestNameTest, Distances) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("abc", ""), 3);
  EXPECT_EQ(EditDistance("trades", "trade"), 1);
  EXPECT_EQ(EditDistance("tradse", "trades"), 1);  // a swap is one
  EXPECT_EQ(EditDistance("Trades", "trades"), 0);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
}

TEST(NearestNameTest, Chooses) {
  const std::vector<std::string> names = {"bronze_trades_kraken", "bronze_trades_binance", "silver_trades", "x"};
  EXPECT_EQ(NearestName("bronze_trade_binance", names), "bronze_trades_binance");
  EXPECT_EQ(NearestName("SILVER_TRADES", names), "silver_trades");
  EXPECT_EQ(NearestName("ohlcv_1m", names), "");
  EXPECT_EQ(NearestName("", {}), "");
  EXPECT_TRUE(NearestName(std::string(10'000, 'a'), {std::string(10'000, 'b')})
                  .empty());  // long names cost no more than short ones
}

}  // namespace
}  // namespace calve::source
