#include "calve/offload/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "calve/offload/testing_tables.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kChunkHour = 3600 * kMicrosPerSecond;

RowSpan Hour(int64_t hour, int64_t rows) { return {hour * kChunkHour, (hour + 1) * kChunkHour, rows}; }

TEST(Chunk, AWindowThatFitsIsOne) {
  EXPECT_THAT(CutChunks({}, 77, 10), ElementsAre(77));
  EXPECT_THAT(CutChunks({Hour(0, 4), Hour(3, 6)}, 4 * kChunkHour, 10), ElementsAre(4 * kChunkHour));
}

TEST(Chunk, ItEndsWithTheLastBucketThatFits) {
  EXPECT_THAT(CutChunks({Hour(0, 4), Hour(3, 6), Hour(4, 1)}, 9 * kChunkHour, 10),
              ElementsAre(4 * kChunkHour - 1, 9 * kChunkHour));
}

TEST(Chunk, ABucketThatIsTooLargeStandsAlone) {
  EXPECT_THAT(CutChunks({Hour(0, 99), Hour(1, 1), Hour(2, 99), Hour(3, 1)}, 4 * kChunkHour, 10),
              ElementsAre(kChunkHour - 1, 2 * kChunkHour - 1, 3 * kChunkHour - 1, 4 * kChunkHour));
}

// Every row is in one chunk, none is larger than allowed unless it is one bucket, and no two neighbours would fit into
// one.
TEST(Chunk, RandomWindows) {
  std::mt19937_64 random(5);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
  for (int round = 0; round < 2000; ++round) {
    std::vector<RowSpan> spans;
    int64_t hour = -below(50);
    for (int64_t i = below(30); i > 0; --i) spans.push_back(Hour(hour += 1 + below(4), 1 + below(12)));
    const TimestampMicros to = spans.empty() ? 0 : spans.back().end - 1 - below(2);
    const int64_t rows_max = 1 + below(20);
    std::vector<std::pair<int64_t, int64_t>> chunks;  // buckets, rows
    size_t next = 0;
    TimestampMicros before = INT64_MIN;
    for (TimestampMicros end : CutChunks(spans, to, rows_max)) {
      ASSERT_GT(end, before);
      before = end;
      chunks.emplace_back(0, 0);
      for (; next < spans.size() && spans[next].start <= end; ++next) {
        ++chunks.back().first;
        chunks.back().second += spans[next].rows;
      }
    }
    ASSERT_EQ(before, to);
    ASSERT_EQ(next, spans.size());
    for (size_t i = 0; i < chunks.size(); ++i) {
      ASSERT_TRUE(chunks[i].second <= rows_max || chunks[i].first == 1);
      ASSERT_TRUE(i == 0 || chunks[i - 1].second + chunks[i].second > rows_max);
    }
  }
}

TEST(Chunk, LimitsByRowsAndBytes) {
  source::SourceTable table;
  EXPECT_EQ(RowsOfAChunk({}, table), INT64_MAX);
  EXPECT_EQ(RowsOfAChunk({100, 1000}, table), 100);  // nobody knows how large a row is
  table.total_rows = 10, table.total_bytes = 200;
  EXPECT_EQ(RowsOfAChunk({100, 1000}, table), 50);
  EXPECT_EQ(RowsOfAChunk({40, 1000}, table), 40);
  EXPECT_EQ(RowsOfAChunk({0, 1}, table), 1);
}

// An hour that is too large is asked for by minutes, a minute by seconds; a second is not cut.
TEST(Chunk, AsksFinerOnlyWhereItHasTo) {
  std::vector<std::string> asked;
  source::TestingFakeSource source([&](const std::string& sql) -> Result<source::TestingFakeSource::Rows> {
    asked.push_back(sql);
    if (sql.find("/ 3600)") != std::string::npos) return source::TestingFakeSource::Rows{{"3600", "100"}, {"0", "9"}};
    if (sql.find("/ 60)") != std::string::npos) return source::TestingFakeSource::Rows{{"3660", "99"}, {"3600", "1"}};
    return source::TestingFakeSource::Rows{{"3665", "98"}, {"3666", "1"}};
  });
  source::SourceTable table;
  table.database = "db", table.name = "t";
  const Cursor cursor{"ts", 3, true, false};
  const auto ends = AskChunkEnds(source, table, cursor, Window{std::nullopt, 9 * kChunkHour}, 10, {}).ValueOrDie();
  EXPECT_THAT(ends, ElementsAre(3660 * kMicrosPerSecond - 1, 3666 * kMicrosPerSecond - 1, 9 * kChunkHour));
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_THAT(asked[1], HasSubstr("_t.`ts` > toDateTime64('1970-01-01 00:59:59.999', 3, 'UTC') AND "
                                  "_t.`ts` <= toDateTime64('1970-01-01 01:59:59.999', 3, 'UTC')"));
  EXPECT_THAT(asked[2], HasSubstr("_t.`ts` > toDateTime64('1970-01-01 01:00:59.999', 3, 'UTC')"));
}

}  // namespace
}  // namespace calve::offload
