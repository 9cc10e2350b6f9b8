// A table with position deletes, as Spark left it (tests/data/golden/spark/deletes).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "calve/storage/testing_memory_file_io.h"
#include "calve/table/scan.h"

namespace calve::table {
namespace {

using iceberg::RowRange;
using iceberg::TableMetadata;

std::string GoldenText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class SparkDeletesTest : public testing::Test {
 protected:
  SparkDeletesTest() {
    const std::filesystem::path folder = std::string(CALVE_TEST_DATA) + "/golden/spark/deletes/metadata";
    table_ = iceberg::ParseTableMetadata(GoldenText(folder / "v12.metadata.json")).ValueOrDie();
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      const std::string name = file.path().filename();
      EXPECT_TRUE(
          io_.WriteNew(storage::JoinLocation(table_.location, "metadata/" + name), GoldenText(file.path())).ok());
    }
  }

  // The pieces of the paths that tell files apart: data file -> its delete files.
  std::map<std::string, std::vector<std::string>> Plan(const std::optional<RowRange>& range) {
    const auto short_name = [](const std::string& path) {
      const size_t day = path.find("ts_day=");
      return path.substr(day + 7, 10 + 8);
    };
    std::map<std::string, std::vector<std::string>> plan;
    for (const ScanTask& task : PlanScan(io_, table_, *table_.current_snapshot_id, range).ValueOrDie()) {
      auto& deletes = plan[short_name(task.file.file_path)];
      for (const auto& file : task.deletes) deletes.push_back(short_name(file.file_path));
      std::sort(deletes.begin(), deletes.end());
    }
    return plan;
  }

  storage::MemoryFileIO io_;
  TableMetadata table_;
};

TEST_F(SparkDeletesTest, DeletesFindTheirFiles) {
  const std::map<std::string, std::vector<std::string>> all = {
      {"1969-12-31/00000-0", {}},
      {"2024-08-09/00000-0", {"2024-08-09/00000-2", "2024-08-09/00000-5"}},
      {"2024-08-10/00000-3", {"2024-08-10/00000-5"}},
  };
  EXPECT_EQ(Plan(std::nullopt), all);
  const int ts = table_.schema().FindField("ts")->id;
  const auto planned = Plan(RowRange{ts, -2, -1});
  EXPECT_EQ(planned.size(), 1u);
  EXPECT_TRUE(planned.contains("1969-12-31/00000-0"));
  EXPECT_TRUE(Plan(RowRange{ts, -1, 0}).empty()) << "the bounds say so";
  // The bounds are those of the rows that are there, deleted or not.
  EXPECT_THAT(Plan(RowRange{ts, 1'723'162'558'342'000, 1'723'162'558'342'001}), testing::SizeIs(1));
  EXPECT_THAT(Plan(RowRange{ts, 1'723'247'999'999'998, 1'723'248'000'000'000}), testing::SizeIs(2));
  EXPECT_THAT(Plan(RowRange{ts, 1'723'247'999'999'999, 1'723'248'000'000'000}), testing::SizeIs(1));
}

}  // namespace
}  // namespace calve::table
