// Ten days of cycles every 15 minutes with maintenance every hour, on a clock that the test sets: what grows with time
// stays bounded, and no row is lost or doubled.
#include <gtest/gtest.h>

#include <algorithm>
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

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kCyclesInAll = 120;
#else
constexpr int kCyclesInAll = 1000;
#endif
constexpr int kCyclesElsewhere = 120;
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

class ThousandCycles : public testing::TestWithParam<CatalogKind> {
 protected:
  ThousandCycles() : place_(GetParam(), dir_.path() + "/w") {
    std::filesystem::create_directories(place_.folder);
    place_.request.partition_by = {"days(ts)"};
    place_.request.lookback_micros = 2 * kMicrosPerDay;
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

  storage::TempDir dir_;
  offload::OffloadPlace place_;
  StopToken stop_;
  std::mt19937_64 random_{7};
  int64_t last_id_ = 0, rows_ = 0, partitions_ = 0;
  std::vector<double> cpu_, reads_;  // of each cycle
};

TEST_P(ThousandCycles, WithMaintenanceWhatGrowsIsBoundedAndEveryRowIsThereOnce) {
  std::map<int, Size> sizes;  // by day, when its last cycle and the maintenance after it are done
  const int cycles = GetParam() == CatalogKind::kHadoop ? kCyclesInAll : kCyclesElsewhere;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    Arrive(cycle);
    ASSERT_NO_FATAL_FAILURE(Cycle()) << cycle;
    if (cycle % 4 == 3) {
      ASSERT_NO_FATAL_FAILURE(Maintain(cycle % kCyclesADay == kCyclesADay - 1)) << cycle;
      ASSERT_LE(MostFilesOfAPartition(place_.Load().metadata), 2) << "after cycle " << cycle;
    }
    if (cycle % kCyclesADay == kCyclesADay - 1) sizes[cycle / kCyclesADay] = Look();
  }
  // The promise.
  const auto table = place_.Load();
  EXPECT_EQ((*offload::ReadWatermark(table.metadata))->stamp.window_to, place_.source.now());
  std::map<int64_t, int> seen;
  for (const offload::ColdRow& row : offload::ReadColdRows(place_.file_io, table.metadata)) ++seen[row.id];
  EXPECT_EQ(static_cast<int64_t>(seen.size()), last_id_);
  EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& id) { return id.second == 1; }));
  EXPECT_EQ(rows_, last_id_);
  EXPECT_GE(partitions_, cycles / kCyclesADay);
  if (cycles < 1000) return;
  // Snapshots live for 5 days: from the seventh day on nothing grows but what is in cold, a file or two a day.
  const Size full = sizes.at(6), last = sizes.at(9);
  EXPECT_LE(last.snapshots, full.snapshots * 11 / 10);
  EXPECT_LE(last.metadata_bytes, full.metadata_bytes * 11 / 10);
  EXPECT_LE(last.manifests, 12);
  EXPECT_LE(last.files, full.files * 11 / 10);
  const auto day = [&](const std::vector<double>& values, int number) {
    const auto first = values.begin() + number * kCyclesADay;
    return MedianOf({first, first + kCyclesADay});
  };
  EXPECT_LE(day(reads_, 9), day(reads_, 6) * 1.1) << "a cycle reads more and more";
  EXPECT_LE(day(cpu_, 9), day(cpu_, 6) * 1.5) << "a cycle takes longer and longer";
  for (const int number : {1, 6, 9}) {
    const Size& size = sizes[number];
    fmt::print(
        "day {}: a cycle takes {:.1f} ms of CPU and {} reads; {} files, {} snapshots, {} manifests, {} kB of "
        "metadata\n",
        number + 1, day(cpu_, number) * 1e3, day(reads_, number), size.files, size.snapshots, size.manifests,
        size.metadata_bytes / 1000);
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogs, ThousandCycles, testing::Values(CatalogKind::kHadoop, CatalogKind::kSql),
                         [](const auto& kind) { return std::string(NameOf(kind.param)); });

}  // namespace
}  // namespace calve::cli
