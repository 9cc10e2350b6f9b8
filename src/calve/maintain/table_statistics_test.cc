#include "calve/maintain/table_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "calve/iceberg/puffin.h"
#include "calve/iceberg/statistics_json.h"
#include "calve/maintain/column_sketch.h"
#include "calve/maintain/expire_snapshots.h"
#include "calve/maintain/testing_rows_table.h"

namespace calve::maintain {
namespace {

Result<StatisticsReport> Compute(RowsTable& table, bool dry_run = false) {
  return ComputeStatistics(*table.catalog, *table.file_io, table.clock, table.stop, {table.ident, dry_run}, NoSleep);
}
Result<StatisticsReport> ComputeThrough(FaultyTable& faulty, RowsTable& table) {
  return ComputeStatistics(faulty.catalog, faulty.file_io, table.clock, table.stop, {table.ident, false}, NoSleep);
}
nlohmann::json EntriesOf(const iceberg::TableMetadata& metadata) {
  if (metadata.extra_json.empty()) return nlohmann::json::array();
  return nlohmann::json::parse(metadata.extra_json).value("statistics", nlohmann::json::array());
}

TEST(TableStatistics, OfTheCurrentSnapshotOnceAndGoneWithIt) {
  RowsTable table;
  table.Append(0, 0, 10);
  table.Append(0, 5, 10);  // five values are there twice
  const iceberg::TableMetadata before = table.Metadata();
  const auto dry = Compute(table, /*dry_run=*/true);
  ASSERT_TRUE(dry.ok()) << dry.status().ToString();
  EXPECT_EQ(dry->columns.at(0).distinct, 15);
  EXPECT_TRUE(EntriesOf(table.Metadata()).empty());
  const auto report = Compute(table);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->rows, 20);
  ASSERT_EQ(report->columns.size(), 1U);
  EXPECT_EQ(report->columns[0].distinct, 15);
  const iceberg::TableMetadata after = table.Metadata();
  EXPECT_EQ(after.snapshots.size(), before.snapshots.size());
  EXPECT_EQ(after.current_snapshot_id, before.current_snapshot_id);
  const nlohmann::json entries = EntriesOf(after);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0]["snapshot-id"], *before.current_snapshot_id);
  EXPECT_EQ(entries[0]["statistics-path"], report->location);
  EXPECT_EQ(entries[0]["blob-metadata"][0]["properties"]["ndv"], "15");
  EXPECT_EQ(entries[0]["file-size-in-bytes"], table.file_io->Read(report->location).ValueOrDie().size());
  // Known: not read again.
  EXPECT_TRUE(Compute(table)->present);
  // Another snapshot has none; and the file goes with its own.
  table.Append(1, 0, 10);
  EXPECT_EQ(Compute(table)->columns.at(0).distinct, 25);
  EXPECT_EQ(EntriesOf(table.Metadata()).size(), 2U);
  ExpiryRequest expiry{table.ident};
  expiry.snapshot_age_max_ms = -1;
  ASSERT_TRUE(ExpireSnapshots(*table.catalog, *table.file_io, table.clock, table.stop, expiry, NoSleep).ok());
  EXPECT_EQ(EntriesOf(table.Metadata()).size(), 1U);
  EXPECT_FALSE(*table.file_io->Exists(report->location));
}

TEST(TableStatistics, AnEmptyTableHasNone) {
  RowsTable table;
  const auto report = Compute(table);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->snapshot_id, std::nullopt);
}

TEST(TableStatistics, WhateverCallGoesWrongTheTableReadsAsBeforeAndNoFileIsLeft) {
  int failed = 0, done = 0;
  for (int call = 0; call < 40; ++call) {
    for (const storage::FaultAction action : {storage::FaultAction::kFailBefore, storage::FaultAction::kFailAfter}) {
      RowsTable table;
      table.Append(0, 0, 10);
      const auto rows = table.Rows();
      FaultyTable faulty(table);
      faulty.faults.Inject({std::nullopt, action, "", call, 1});
      const auto report = ComputeThrough(faulty, table);
      EXPECT_EQ(table.Rows(), rows);
      const nlohmann::json entries = EntriesOf(table.Metadata());
      // What the table names is there, whatever was said.
      for (const auto& entry : entries) {
        EXPECT_TRUE(*table.file_io->Exists(entry["statistics-path"].get<std::string>())) << call;
      }
      EXPECT_TRUE(!report.ok() || entries.size() == 1) << call;
      ++(report.ok() ? done : failed);
    }
  }
  EXPECT_GT(failed, 5);
  EXPECT_GT(done, 5);
}

TEST(TableStatistics, OtherCommitsAreNoHindranceAndASnapshotThatIsGoneIs) {
  RowsTable table;
  table.Append(0, 0, 10);
  FaultyTable faulty(table);
  faulty.catalog.faults = {catalog::CommitFault::kConflict};
  EXPECT_TRUE(ComputeThrough(faulty, table).ok()) << "tried again";
  const auto gone =
      iceberg::ApplyUpdates(table.Metadata(), std::vector<iceberg::TableUpdate>{iceberg::SetStatistics{99, "{}"}}, 1);
  EXPECT_EQ(KindOf(gone.status()), ErrorKind::kConflict);
}

TEST(ColumnSketch, ValuesAreTheBytesOfTheirSingleValueSerialization) {
  const auto distinct = [](const std::shared_ptr<arrow::Array>& array) {
    ColumnSketch column;
    EXPECT_TRUE(column.Add(array).ok());
    return column.sketch().Compact();
  };
  const auto of = [](std::string_view bytes) {
    ThetaSketch sketch;
    sketch.Update(bytes);
    return sketch.Compact();
  };
  arrow::Decimal128Builder decimals(arrow::decimal128(38, 2), arrow::default_memory_pool());
  for (const auto& [value, bytes] :
       {std::pair<int64_t, std::string_view>(1, "\x01"), {-1, "\xff"}, {127, "\x7f"}, {-129, "\xff\x7f"}}) {
    ASSERT_TRUE(decimals.Append(arrow::Decimal128(value)).ok());
    EXPECT_EQ(distinct(decimals.Finish().ValueOrDie()), of(bytes)) << value;
  }
  ASSERT_TRUE(decimals.Append(arrow::Decimal128(128)).ok());
  EXPECT_EQ(distinct(decimals.Finish().ValueOrDie()), of({"\x00\x80", 2})) << "a sign of its own";
  ASSERT_TRUE(decimals.Append(arrow::Decimal128(0)).ok());
  EXPECT_EQ(distinct(decimals.Finish().ValueOrDie()), of({"\x00", 1}));
  arrow::Decimal64Builder small(arrow::decimal64(18, 8), arrow::default_memory_pool());
  ASSERT_TRUE(small.Append(arrow::Decimal64(-129)).ok());
  EXPECT_EQ(distinct(small.Finish().ValueOrDie()), of("\xff\x7f"));
  arrow::Int32Builder ints;
  ASSERT_TRUE(ints.Append(258).ok() && ints.AppendNull().ok() && ints.Append(258).ok());
  EXPECT_EQ(distinct(ints.Finish().ValueOrDie()), of({"\x02\x01\x00\x00", 4}));
  arrow::BooleanBuilder booleans;
  ASSERT_TRUE(booleans.Append(true).ok());
  EXPECT_EQ(distinct(booleans.Finish().ValueOrDie()), of("\x01"));
}

TEST(Puffin, AFileIsBlobsAndAFooterThatFindsThem) {
  const std::vector<iceberg::PuffinBlob> blobs = {{"t", {1}, 7, 3, {{"ndv", "2"}}, "abc"},
                                                  {"u", {2, 3}, 7, 3, {}, "de"}};
  const iceberg::PuffinFile file = iceberg::WritePuffin(blobs, "calve");
  EXPECT_EQ(file.bytes.substr(0, 9), "PFA1abcde");
  EXPECT_EQ(file.bytes.substr(file.bytes.size() - 8), std::string("\0\0\0\0PFA1", 8));
  const std::string footer = file.bytes.substr(file.bytes.size() - static_cast<size_t>(file.footer_bytes));
  EXPECT_EQ(footer.substr(0, 4), "PFA1");
  const auto json = nlohmann::json::parse(footer.substr(4, footer.size() - 16));
  EXPECT_EQ(json["blobs"][1]["offset"], 7);
  EXPECT_EQ(json["blobs"][1]["length"], 2);
  EXPECT_EQ(json["blobs"][0]["properties"]["ndv"], "2");
}

}  // namespace
}  // namespace calve::maintain
