#include "calve/survey/time_span.h"

#include <gtest/gtest.h>

#include "calve/base/time.h"

namespace calve::survey {
namespace {

std::string Text(std::optional<int64_t> micros) { return micros ? FormatDuration(*micros) : "none"; }

TEST(TimeSpan, InNamesOfTables) {
  for (const auto& [name, expected] :
       {std::pair("ohlcv_1m", "1m"), std::pair("ohlcv_15m", "15m"), std::pair("candles_4h", "4h"),
        std::pair("x_1d", "1d"), std::pair("x_30s", "30s"), std::pair("ohlcv_1w", "none"), std::pair("ohlcv_m", "none"),
        std::pair("ohlcv1m", "none"), std::pair("ohlcv_0m", "none"), std::pair("ohlcv_1M", "none"),
        std::pair("ohlcv_-1m", "none"), std::pair("a_999999d", "none"), std::pair("_", "none"),
        std::pair("", "none")}) {
    EXPECT_EQ(Text(SpanInName(name)), expected) << name;
  }
}

TEST(TimeSpan, UntilRowsAreDeleted) {
  const std::string head = "MergeTree PARTITION BY toYYYYMM(ts) ORDER BY (a, ts) ";
  for (const auto& [ttl, expected] :
       {std::pair("TTL toDateTime(ts) + toIntervalDay(7) SETTINGS index_granularity = 8192", "7d"),
        std::pair("TTL ts + INTERVAL 12 HOUR", "12h"),
        std::pair("TTL ts + toIntervalDay(1) TO VOLUME 'cold', ts + toIntervalMonth(1)", "28d"),
        std::pair("TTL ts + toIntervalDay(1) TO DISK 'd'", "none"),
        std::pair("TTL ts + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(3))", "none"),
        std::pair("TTL ts + toIntervalDay(1) GROUP BY a SET b = max(b)", "none"),
        std::pair("TTL ts + toIntervalDay(9) WHERE a = 1, ts + toIntervalDay(3)", "3d"),
        std::pair("TTL ts + toIntervalDay(1) + toIntervalHour(6)", "30h"), std::pair("TTL expires", "none"),
        std::pair("TTL ts + toIntervalDay(99999999999999999)", "none"),
        std::pair("SETTINGS merge_with_ttl_timeout = 1", "none"), std::pair("", "none")}) {
    EXPECT_EQ(Text(DeletesAfter(head + ttl)), expected) << ttl;
  }
  EXPECT_EQ(Text(DeletesAfter("")), "none");
}

}  // namespace
}  // namespace calve::survey
