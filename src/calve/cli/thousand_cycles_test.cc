// Days of cycles every 15 minutes with maintenance every hour, on a clock that the test sets: what grows with time
// stays bounded, and no row is lost or doubled.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <random>

#include "calve/maintain/table_maintenance.h"
#include "calve/offload/testing_offload_place.h"
#include "calve/offload/watermark.h"
#include "calve/table/scan.h"

namespace calve::cli {
namespace {

using offload::CatalogKind;

constexpr int kCyclesADay = 96;
constexpr int64_t kCycleMicros = 15 * 60 * kMicrosPerSecond;

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double MedianOf(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

// Where the table is made; CALVE_KEEP_TABLE: and stays.
std::string Folder(const std::string& passing) {
  const char* kept = std::getenv("CALVE_KEEP_TABLE");
  return kept ? std::string(kept) : passing + "/w";
}

class MaintainedCycles : public testing::TestWithParam<CatalogKind> {
 protected:
  MaintainedCycles() : place_(GetParam(), Folder(dir_.path())) {
    std::filesystem::create_directories(place_.folder);
    place_.request.partition_by = {"days(ts)"};
    place_.request.lookback_micros = 2 * kMicrosPerDay;
    place_.request.properties["history.expire.max-snapshot-age-ms"] = "86400000";
    // At a full hour, so that the last maintenance is of the last cycle.
    place_.clock.ahead = 3600 * kMicrosPerSecond - place_.clock.Now() % (3600 * kMicrosPerSecond);
    place_.source.SetNow(place_.clock.Now());
  }

  // Rows of these 15 minutes; in some cycles late ones of the day before.
  void Arrive(int cycle) {
    const TimestampMicros from = place_.source.now();
    place_.clock.ahead += kCycleMicros;
    std::vector<offload::SourceRow> rows;
    for (int i = 0; i < 5; ++i) {
      const TimestampMicros at = from + 1 + static_cast<int64_t>(random_() % (kCycleMicros - 1));
      rows.push_back({at, ++last_id_, i % 2 ? "a" : "b"});
    }
    if (cycle % 7 == 6) rows.push_back({from - static_cast<int64_t>(random_() % kMicrosPerDay), ++last_id_, "late"});
    place_.source.InsertBlock(std::move(rows));
    place_.source.SetNow(from + kCycleMicros);
    // Hot keeps three days, as a TTL would.
    if (cycle % kCyclesADay == 0) place_.source.Drop(from - 3 * kMicrosPerDay);
  }

  void Cycle() {
    storage::FaultList calls;
    const double before = CpuSeconds();
    const auto result = offload::OffloadProcess(place_, calls).Run();
    cpu_.push_back(CpuSeconds() - before);
    reads_.push_back(calls.Count(storage::FaultPoint::kRead) + calls.Count(storage::FaultPoint::kOpenInput));
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    rows_ += result->rows + result->late.rows;
  }

  void Maintain(bool orphans) {
    maintain::MaintenancePlan plan;
    plan.compact.emplace();
    plan.compact->memory_bytes = 16 << 20;
    plan.manifests = true;
    plan.expire.emplace();
    if (orphans) {
      plan.orphans.emplace();
      plan.orphans->warehouse = place_.Warehouse();
    }
    const auto catalog = place_.OpenCatalog();
    const auto report =
        maintain::MaintainTable(*catalog, place_.file_io, place_.clock, stop_, place_.request.target, plan);
    ASSERT_TRUE(report.status.ok()) << report.status.ToString();
  }

  // All files of this test are small.
  int64_t MostFilesOfAPartition(const iceberg::TableMetadata& metadata) {
    const auto tasks =
        table::PlanScan(place_.file_io, metadata, *metadata.current_snapshot_id, std::nullopt).ValueOrDie();
    std::map<int32_t, int64_t> files;  // by day
    for (const table::ScanTask& task : tasks) ++files[std::get<int32_t>(task.file.partition.at(0))];
    int64_t most = 0;
    for (const auto& [partition, count] : files) most = std::max(most, count);
    partitions_ = static_cast<int64_t>(files.size());
    return most;
  }

  struct Size {
    int64_t files = 0;           // on disk, but for what the catalog itself keeps
    int64_t metadata_bytes = 0;  // of the current metadata file
    int64_t snapshots = 0, manifests = 0;
  };
  Size Look() {
    const auto table = place_.Load();
    const auto state = maintain::DescribeTable(place_.file_io, table.metadata).ValueOrDie();
    const std::string path = table.metadata_location.substr(table.metadata_location.find("/", 7));
    return {static_cast<int64_t>(offload::FilesOnDisk(place_).size()),
            static_cast<int64_t>(std::filesystem::file_size(path)), state.snapshots, state.manifests};
  }

  // The cycles, with maintenance after every fourth, and the promise at the end.
  void Play(int cycles) {
    for (int cycle = 0; cycle < cycles; ++cycle) {
      Arrive(cycle);
      ASSERT_NO_FATAL_FAILURE(Cycle()) << cycle;
      if (cycle % 4 == 3) {
        ASSERT_NO_FATAL_FAILURE(Maintain(cycle % kCyclesADay == kCyclesADay - 1)) << cycle;
        ASSERT_LE(MostFilesOfAPartition(place_.Load().metadata), 2) << "after cycle " << cycle;
      }
      if (cycle % kCyclesADay == kCyclesADay - 1) sizes_[cycle / kCyclesADay] = Look();
    }
    const auto table = place_.Load();
    EXPECT_EQ((*offload::ReadWatermark(table.metadata))->stamp.window_to, place_.source.now());
    std::map<int64_t, int> seen;
    for (const offload::ColdRow& row : offload::ReadColdRows(place_.file_io, table.metadata)) ++seen[row.id];
    EXPECT_EQ(static_cast<int64_t>(seen.size()), last_id_);
    EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& id) { return id.second == 1; }));
    EXPECT_EQ(rows_, last_id_);
    EXPECT_GE(partitions_, cycles / kCyclesADay);
  }

  TempDir dir_;
  offload::OffloadPlace place_;
  StopToken stop_;
  std::mt19937_64 random_{7};
  int64_t last_id_ = 0, rows_ = 0, partitions_ = 0;
  std::vector<double> cpu_, reads_;  // of each cycle
  std::map<int, Size> sizes_;        // by day, when its last cycle and the maintenance after it are done
};

TEST_P(MaintainedCycles, EveryRowIsThereOnceAndAPartitionHasTwoSmallFilesAtMost) { Play(120); }

INSTANTIATE_TEST_SUITE_P(Catalogs, MaintainedCycles, testing::Values(CatalogKind::kHadoop, CatalogKind::kSql),
                         [](const auto& kind) { return std::string(NameOf(kind.param)); });

class ThousandCycles : public MaintainedCycles {};

// Called by tests/interop/test_configured_maintenance.py alone, where four engines read the table that it leaves in
// CALVE_KEEP_TABLE.
TEST_P(ThousandCycles, DISABLED_WhatGrowsIsBounded) {
  ASSERT_NO_FATAL_FAILURE(Play(1000));
  // Snapshots live for a day: from the third day on nothing grows but what is in cold, a file or two a day.
  const Size full = sizes_.at(2), last = sizes_.at(9);
  EXPECT_LE(last.snapshots, full.snapshots * 11 / 10);
  EXPECT_LE(last.metadata_bytes, full.metadata_bytes * 11 / 10);
  EXPECT_LE(last.manifests, 12);
  EXPECT_LE(last.files, full.files * 11 / 10);
  const auto day = [&](const std::vector<double>& values, int number) {
    const auto first = values.begin() + number * kCyclesADay;
    return MedianOf({first, first + kCyclesADay});
  };
  EXPECT_LE(day(reads_, 9), day(reads_, 2) * 1.1) << "a cycle reads more and more";
  EXPECT_LE(day(cpu_, 9), day(cpu_, 2) * 1.5) << "a cycle takes longer and longer";
  for (const int number : {2, 5, 9}) {
    const Size& size = sizes_[number];
    fmt::print(
        "day {}: a cycle takes {:.1f} ms of CPU and {} reads; {} files, {} snapshots, {} manifests, {} kB of "
        "metadata\n",
        number + 1, day(cpu_, number) * 1e3, day(reads_, number), size.files, size.snapshots, size.manifests,
        size.metadata_bytes / 1000);
  }
  fmt::print("{} rows\n", last_id_);
}

INSTANTIATE_TEST_SUITE_P(Catalogs, ThousandCycles, testing::Values(CatalogKind::kHadoop),
                         [](const auto& kind) { return std::string(NameOf(kind.param)); });

}  // namespace
}  // namespace calve::cli
