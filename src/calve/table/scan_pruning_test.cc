#include "calve/table/scan_pruning.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "calve/iceberg/calendar.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::Literal;
using iceberg::ManifestFile;
using iceberg::RowRange;
using iceberg::TableMetadata;
using iceberg::Type;
using iceberg::TypeId;

constexpr int64_t kDay = 86'400'000'000;

std::string LongBytes(int64_t value) { return ToBytes(Type::Of(TypeId::kLong), value); }

// A table of one column "ts" of that type, partitioned by `transform` of it (none: unpartitioned).
TableMetadata TableBy(TypeId type, const std::string& transform) {
  TableMetadata table = EmptyTable();
  // Also what a new table of v2 may not have.
  table.schemas.at(0).fields = {{1, "ts", false, Type::Of(type), ""}};
  auto& fields = table.partition_specs.at(0).fields;
  fields.clear();
  if (!transform.empty()) fields = {{1, 1000, "p", iceberg::ParseTransform(transform)}};
  return table;
}

DataFile FileWith(std::vector<Literal> partition) {
  DataFile file;
  file.file_path = "f";
  file.partition = std::move(partition);
  return file;
}

bool MayMatch(TypeId type, const std::string& transform, const Literal& partition, const RowRange& range) {
  const TableMetadata table = TableBy(type, transform);
  return RangePruner(table, range).MayMatch(FileWith({partition}));
}

TEST(RangePruner, DaysAtTheirEdges) {
  const auto day = [](int32_t value, std::optional<int64_t> after, std::optional<int64_t> up_to) {
    return MayMatch(TypeId::kTimestampTz, "day", value, {1, after, up_to});
  };
  EXPECT_TRUE(day(10, 10 * kDay - 1, 10 * kDay)) << "midnight belongs to the new day";
  EXPECT_FALSE(day(10, 9 * kDay, 10 * kDay - 1));
  EXPECT_TRUE(day(9, 9 * kDay, 10 * kDay - 1));
  EXPECT_FALSE(day(10, 11 * kDay, std::nullopt));
  EXPECT_TRUE(day(10, 11 * kDay - 2, std::nullopt));
  EXPECT_FALSE(day(11, std::nullopt, 11 * kDay - 1));
  EXPECT_TRUE(day(11, std::nullopt, std::nullopt));
}

TEST(RangePruner, BeforeTheEpochValuesMayBeOneTooHigh) {
  const auto day = [](int32_t value, int64_t after, int64_t up_to) {
    return MayMatch(TypeId::kTimestampTz, "day", value, {1, after, up_to});
  };
  // 1969-12-31T12:00 is day -1, and 0 to those who round towards zero.
  const int64_t noon = -kDay / 2;
  EXPECT_TRUE(day(-1, noon - 1, noon));
  EXPECT_TRUE(day(0, noon - 1, noon));
  EXPECT_FALSE(day(1, noon - 1, noon));
  EXPECT_FALSE(day(-2, noon - 1, noon));
  EXPECT_FALSE(day(1, 0, kDay - 1)) << "from the epoch on everyone agrees";
}

// Every transform against its own values, at random instants; and those one off for values before 1970.
TEST(RangePruner, NoTransformLosesARow) {
  std::mt19937_64 random(5);
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  struct Column {
    TypeId type;
    int64_t per_unit;  // of the column's, in a microsecond; negative: microseconds in a unit
  };
  for (const Column& column : {Column{TypeId::kTimestampTz, 1}, Column{TypeId::kTimestamp, 1},
                               Column{TypeId::kTimestampTzNs, 1000}, Column{TypeId::kDate, -kDay}}) {
    for (const char* name : {"identity", "year", "month", "day", "hour"}) {
      if (column.type == TypeId::kDate && std::string(name) == "hour") continue;
      const iceberg::Transform transform = iceberg::ParseTransform(name);
      const TableMetadata table = TableBy(column.type, name);
      int kept = 0, pruned = 0;
      for (int i = 0; i < 3'000; ++i) {
        const int64_t span = i % 2 == 0 ? 3 * kDay : 4'000 * kDay;
        const int64_t micros = below(2 * span) - span;
        Literal value = micros;
        int64_t lower = micros, upper = micros;  // of the value, in microseconds
        if (column.type == TypeId::kDate) {
          const int64_t days = iceberg::FloorDivide(micros, kDay);
          value = static_cast<int32_t>(days);
          lower = upper = days * kDay;
        } else if (column.per_unit == 1000) {
          const int64_t nanos = micros * 1000 + below(1000);
          value = nanos;
          upper = iceberg::FloorDivide(nanos + 999, 1000);  // what up_to must reach
        }
        Literal partition = ApplyTransform(transform, Type::Of(column.type), value);
        const RangePruner around(table, {1, lower - 1 - below(5), upper + below(5)});
        EXPECT_TRUE(around.MayMatch(FileWith({partition}))) << name << " " << micros;
        if (transform.kind != iceberg::TransformKind::kIdentity) {
          if (auto* p = std::get_if<int32_t>(&partition); p != nullptr && *p < 0) {
            Literal high = *p + 1;
            EXPECT_TRUE(around.MayMatch(FileWith({high}))) << name << " " << micros;
          }
        }
        const int64_t elsewhere = below(8'000 * kDay) - 4'000 * kDay;
        const bool may = RangePruner(table, {1, elsewhere, elsewhere + kDay}).MayMatch(FileWith({partition}));
        if (elsewhere < lower && upper <= elsewhere + kDay) {
          EXPECT_TRUE(may) << name << " " << micros;
        }
        ++(may ? kept : pruned);
      }
      EXPECT_GT(pruned, 1'000) << name << " prunes";
    }
  }
}

TEST(RangePruner, TheEndsOfTime) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const TypeId type : {TypeId::kTimestampTz, TypeId::kTimestampTzNs, TypeId::kDate}) {
    for (const char* name : {"identity", "year", "month", "day", "hour"}) {
      const TableMetadata table = TableBy(type, name);
      const RangePruner all(table, {1, kMin, kMax});
      const bool wide = std::string(name) == "identity" && type != TypeId::kDate;
      for (const int32_t value : {-2'000'000'000, 0, 2'000'000'000}) {
        if (std::abs(value) > 3'000'000 && (std::string(name) == "year" || std::string(name) == "month")) continue;
        if (std::abs(value) > 100'000'000 && (std::string(name) == "day" || type == TypeId::kDate)) continue;
        const Literal partition = wide ? Literal(int64_t{value}) : Literal(value);
        EXPECT_TRUE(all.MayMatch(FileWith({partition}))) << name << value;
      }
      EXPECT_TRUE(RangePruner(table, {1, kMax, kMax}).MayMatch(FileWith({Literal()})));
    }
  }
}

TEST(RangePruner, OtherTransformsAndColumnsAndNullsPruneNothing) {
  const RowRange never{1, 5 * kDay, 5 * kDay + 1};
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "bucket[4]", int32_t{3}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "void", Literal(), never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "fortnight", int32_t{99}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "day", Literal(), never));
  EXPECT_FALSE(MayMatch(TypeId::kTimestampTz, "day", int32_t{4}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "day", int32_t{4}, {2, never.after, never.up_to}));
  EXPECT_TRUE(MayMatch(TypeId::kLong, "identity", int64_t{4}, never)) << "not a time";
}

TEST(RangePruner, Bounds) {
  const TableMetadata table = TableBy(TypeId::kTimestampTz, "");
  const auto with = [&](std::optional<int64_t> lower, std::optional<int64_t> upper, const RowRange& range) {
    DataFile file = FileWith({});
    if (lower) file.lower_bounds[1] = LongBytes(*lower);
    if (upper) file.upper_bounds[1] = LongBytes(*upper);
    return RangePruner(table, range).MayMatch(file);
  };
  EXPECT_TRUE(with(10, 20, {1, 19, 30}));
  EXPECT_FALSE(with(10, 20, {1, 20, 30}));
  EXPECT_TRUE(with(10, 20, {1, 5, 10}));
  EXPECT_FALSE(with(10, 20, {1, 5, 9}));
  EXPECT_TRUE(with(std::nullopt, std::nullopt, {1, 5, 9}));
  EXPECT_TRUE(with(10, std::nullopt, {1, 20, std::nullopt}));
  EXPECT_FALSE(with(10, std::nullopt, {1, std::nullopt, 9}));
  EXPECT_TRUE(with(std::nullopt, 20, {1, std::nullopt, 9}));
  DataFile broken = FileWith({});
  broken.lower_bounds[1] = broken.upper_bounds[1] = "abc";
  EXPECT_TRUE(RangePruner(table, {1, 5, 9}).MayMatch(broken)) << "what does not decode is not known";
}

TEST(RangePruner, ManifestSummaries) {
  const TableMetadata table = TableBy(TypeId::kTimestampTz, "day");
  const auto with = [&](bool contains_null, std::optional<int32_t> lower, std::optional<int32_t> upper) {
    iceberg::FieldSummary summary;
    summary.contains_null = contains_null;
    const Type date = Type::Of(TypeId::kDate);
    if (lower) summary.lower_bound = ToBytes(date, *lower);
    if (upper) summary.upper_bound = ToBytes(date, *upper);
    ManifestFile manifest;
    manifest.partitions = {summary};
    return RangePruner(table, {1, 10 * kDay, 12 * kDay - 1}).MayMatch(manifest);
  };
  EXPECT_TRUE(with(false, 5, 10));
  EXPECT_FALSE(with(false, 5, 9));
  EXPECT_TRUE(with(true, 5, 9)) << "a null is not known to be outside";
  EXPECT_TRUE(with(false, 11, 15));
  EXPECT_FALSE(with(false, 12, 15));
  EXPECT_TRUE(with(false, std::nullopt, std::nullopt));
  EXPECT_TRUE(RangePruner(table, {1, 0, 1}).MayMatch(ManifestFile{})) << "without summaries";
}

}  // namespace
}  // namespace calve::table
