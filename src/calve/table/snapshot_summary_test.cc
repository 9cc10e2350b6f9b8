#include "calve/table/snapshot_summary.h"

#include <gtest/gtest.h>

#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using Summary = std::map<std::string, std::string>;

iceberg::ManifestFile Counted(iceberg::ManifestContent content, int64_t added, int64_t existing, int64_t rows) {
  iceberg::ManifestFile manifest;
  manifest.content = content;
  manifest.added_files_count = added;
  manifest.existing_files_count = existing;
  manifest.deleted_files_count = 100;
  manifest.added_rows_count = rows;
  manifest.existing_rows_count = rows;
  manifest.deleted_rows_count = 1000;
  return manifest;
}

TEST(SnapshotSummary, FirstSnapshot) {
  const Summary summary =
      SnapshotSummary({{"calve.rows", "30"}, {"added-records", "lie"}},
                      {{FileOfDay("a", 1), FileOfDay("b", 1), FileOfDay("c", 2)}}, {}, EmptyTable(), nullptr, {});
  EXPECT_EQ(summary, (Summary{{"operation", "append"},
                              {"calve.rows", "30"},
                              {"added-data-files", "3"},
                              {"added-records", "30"},
                              {"added-files-size", "3000"},
                              {"changed-partition-count", "2"},
                              {"total-data-files", "3"},
                              {"total-records", "30"},
                              {"total-files-size", "3000"},
                              {"total-delete-files", "0"},
                              {"total-position-deletes", "0"},
                              {"total-equality-deletes", "0"}}));
}

TEST(SnapshotSummary, TotalsGoOnFromTheParents) {
  iceberg::Snapshot parent;
  parent.summary = {{"total-data-files", "7"},   {"total-records", "70"},         {"total-files-size", "700"},
                    {"total-delete-files", "2"}, {"total-position-deletes", "3"}, {"total-equality-deletes", "4"}};
  Summary summary = SnapshotSummary({}, {{FileOfDay("a", 1)}}, {}, EmptyTable(), &parent, {});
  EXPECT_EQ(summary["total-data-files"], "8");
  EXPECT_EQ(summary["total-records"], "80");
  EXPECT_EQ(summary["total-files-size"], "1700");
  EXPECT_EQ(summary["total-delete-files"], "2");
  EXPECT_EQ(summary["total-position-deletes"], "3");
  EXPECT_EQ(summary["total-equality-deletes"], "4");
}

TEST(SnapshotSummary, MissingTotalsAreCountedOrLeftOut) {
  using iceberg::ManifestContent;
  iceberg::Snapshot parent;
  parent.summary = {{"operation", "append"}, {"total-records", "12 or so"}, {"total-data-files", "-1"}};
  const std::vector<iceberg::ManifestFile> without_deletes = {Counted(ManifestContent::kData, 2, 3, 50),
                                                              Counted(ManifestContent::kData, 0, 1, 5)};
  Summary summary = SnapshotSummary({}, {{FileOfDay("a", 1)}}, {}, EmptyTable(), &parent, without_deletes);
  EXPECT_EQ(summary["total-data-files"], "7");
  EXPECT_EQ(summary["total-records"], "120");
  EXPECT_EQ(summary.count("total-files-size"), 0u);
  EXPECT_EQ(summary["total-delete-files"], "0");
  EXPECT_EQ(summary["total-position-deletes"], "0");

  std::vector<iceberg::ManifestFile> with_deletes = without_deletes;
  with_deletes.push_back(Counted(ManifestContent::kDeletes, 1, 1, 9));
  summary = SnapshotSummary({}, {}, {}, EmptyTable(), &parent, with_deletes);
  EXPECT_EQ(summary["total-records"], "110");
  EXPECT_EQ(summary["total-delete-files"], "2");
  EXPECT_EQ(summary.count("total-position-deletes"), 0u);
  EXPECT_EQ(summary.count("total-equality-deletes"), 0u);
}

TEST(SnapshotSummary, AnEmptyWindowAddsNothing) {
  Summary summary = SnapshotSummary({}, {}, {}, EmptyTable(), nullptr, {});
  EXPECT_EQ(summary.count("added-data-files"), 0u);
  EXPECT_EQ(summary["changed-partition-count"], "0");
  EXPECT_EQ(summary["total-records"], "0");
}

TEST(SnapshotSummary, ReplacedFilesAreCountedOffTheTotals) {
  iceberg::Snapshot parent;
  parent.summary = {
      {"total-data-files", "7"}, {"total-records", "70"}, {"total-files-size", "7000"}, {"total-delete-files", "2"}};
  const Summary summary = SnapshotSummary(
      {{"operation", "lie"}, {"deleted-records", "lie"}}, {{FileOfDay("a", 1, 3, 300), FileOfDay("b", 2, 4, 400)}},
      {{FileOfDay("c", 2, 30, 3000), FileOfDay("d", 3, 20, 2000)}}, EmptyTable(), &parent, {});
  EXPECT_EQ(summary, (Summary{{"operation", "overwrite"},
                              {"added-data-files", "2"},
                              {"added-records", "7"},
                              {"added-files-size", "700"},
                              {"deleted-data-files", "2"},
                              {"deleted-records", "50"},
                              {"removed-files-size", "5000"},
                              {"changed-partition-count", "3"},
                              {"total-data-files", "7"},
                              {"total-records", "27"},
                              {"total-files-size", "2700"},
                              {"total-delete-files", "2"},
                              {"total-position-deletes", "0"},
                              {"total-equality-deletes", "0"}}));
}

TEST(SnapshotSummary, NoTotalIsLessThanNothing) {
  iceberg::Snapshot parent;
  parent.summary = {{"total-data-files", "1"}, {"total-records", "9"}, {"total-files-size", "1000"}};
  const Summary summary = SnapshotSummary({}, {}, {{FileOfDay("a", 1)}}, EmptyTable(), &parent, {});
  EXPECT_EQ(summary.at("operation"), "delete");
  EXPECT_EQ(summary.at("total-data-files"), "0");
  EXPECT_EQ(summary.count("total-records"), 0u);
  EXPECT_EQ(summary.at("total-files-size"), "0");
  EXPECT_EQ(summary.at("changed-partition-count"), "1");
}

}  // namespace
}  // namespace calve::table
