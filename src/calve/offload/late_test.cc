#include "calve/offload/late.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(LateBucketsQuery, AsksForHoursOfTheHorizonInPartsNotSeen) {
  LateLook look{MakeSourceTable({{"ts", "DateTime64(3)"}}),
                Cursor{"ts", 3, true, false},
                7'200'000'000,
                {},
                SeenParts{},
                std::nullopt};
  PartCoverage seen;
  seen.Add({"all", 1, 4});
  const std::string query = LateBucketsQuery(look, seen, Window{0, 7'200'000'000}, 3'600'000'000);
  EXPECT_THAT(query, HasSubstr("floor(toUnixTimestamp64Micro("));
  EXPECT_THAT(query, HasSubstr("/ 3600)) * 3600"));
  EXPECT_THAT(query, HasSubstr("_t.`ts` > toDateTime64('1970-01-01 00:00:00.000', 3, 'UTC') AND _t.`ts` <= "
                               "toDateTime64('1970-01-01 02:00:00.000', 3, 'UTC')"));
  EXPECT_THAT(query, HasSubstr("AND NOT ((toInt64(splitByChar("));
  look.cursor.is_date_time64 = false;
  EXPECT_THAT(LateBucketsQuery(look, seen, Window{0, 1}, 3'600'000'000), Not(HasSubstr("64Micro")));
}

TEST(ListParts, ReadsBlocksAndRefusesEnginesWithoutParts) {
  source::TestingFakeSource source([](const std::string&) -> Result<source::TestingFakeSource::Rows> {
    return source::TestingFakeSource::Rows{{"202408", "3", "17"}, {"202409", "18", "18"}};
  });
  source::SourceTable table = MakeSourceTable({{"ts", "DateTime"}});
  auto parts = ListParts(source, table).ValueOrDie();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].partition_id, "202408");
  EXPECT_EQ(parts[0].block_min, 3);
  EXPECT_EQ(parts[0].block_max, 17);
  table.engine = "Log";
  EXPECT_EQ(KindOf(ListParts(source, table).status()), ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace calve::offload
