// The crash matrix: every call of a cycle to the store, the catalog, its database and the journal, in order, goes wrong
// in every way; whatever happens, the next cycles leave the source's rows up to the watermark in the table, once.
// docs/reliability.md publishes what it prints (tools/crash_matrix.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <tuple>

#include "calve/offload/testing_offload_place.h"
#include "calve/storage/testing_child_process.h"

namespace calve::offload {
namespace {

using storage::FaultAction;
using storage::FaultList;

constexpr TimestampMicros kNoon = 1'723'204'800'000'000;
constexpr int64_t kTwoHours = 2 * 3600 * kMicrosPerSecond;
TimestampMicros At(int64_t second) { return kNoon + second * kMicrosPerSecond; }

// Rows of the ten seconds up to `second`, the last two at its very end; then the clock stands there.
void Fill(OffloadPlace& place, int64_t second) {
  for (int64_t i = 1; i <= 8; ++i) {
    place.source.Insert({At(second - std::max<int64_t>(0, 7 - i)), second * 100 + i, std::string(1, "abcd"[i % 4])});
  }
  place.source.SetNow(At(second));
}

Result<OffloadResult> CleanCycle(OffloadPlace& place) {
  FaultList none;
  return OffloadProcess(place, none).Run();
}

// Sanitizers make each run ten times as slow: there only some of the calls go wrong.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kStride = 7;
#else
constexpr int kStride = 1;
#endif

// What was before the cycle that goes wrong: so many windows without faults, each two hours after the last.
void Windows(OffloadPlace& place, int count) {
  for (int window = 1; window <= count; ++window) {
    Fill(place, window * 10);
    CleanCycle(place).ValueOrDie();
    place.clock.ahead += kTwoHours;
  }
  Fill(place, (count + 1) * 10);
}

struct Scenario {
  const char* name;
  void (*prepare)(OffloadPlace& place);
};

const Scenario kScenarios[] = {
    {"first_load", [](OffloadPlace& place) { Windows(place, 0); }},
    {"increment", [](OffloadPlace& place) { Windows(place, 1); }},
    {"new_column",
     [](OffloadPlace& place) {
       Windows(place, 1);
       place.source.AddColumn();
     }},
    {"empty_window",
     [](OffloadPlace& place) {
       Fill(place, 10);
       CleanCycle(place).ValueOrDie();
       place.source.SetNow(At(20));
     }},
    {"partitions",
     [](OffloadPlace& place) {
       place.request.partition_by = {"symbol"};
       Windows(place, 1);
     }},
    {"manifest_merge",
     [](OffloadPlace& place) {
       place.request.properties["commit.manifest.min-count-to-merge"] = "2";
       Windows(place, 2);
     }},
    {"metadata_deletion",
     [](OffloadPlace& place) {
       place.request.properties["write.metadata.previous-versions-max"] = "1";
       Windows(place, 3);
     }},
};

const char* NameOf(FaultAction action) {
  switch (action) {
    case FaultAction::kFailBefore:
      return "fail_before";
    case FaultAction::kFailAfter:
      return "lost_answer";
    case FaultAction::kDieBefore:
      return "die_before";
    case FaultAction::kDieAfter:
      return "die_after";
  }
  return "";
}

bool Dies(FaultAction action) { return action == FaultAction::kDieBefore || action == FaultAction::kDieAfter; }

using MatrixCase = std::tuple<Scenario, CatalogKind>;

std::string MatrixCaseName(const ::testing::TestParamInfo<MatrixCase>& info) {
  return fmt::format("{}_{}", std::get<0>(info.param).name, NameOf(std::get<1>(info.param)));
}

class CrashMatrix : public ::testing::TestWithParam<MatrixCase> {
 protected:
  CrashMatrix() : place_(std::get<1>(GetParam()), dir_.path() + "/live") {
    std::filesystem::create_directories(place_.folder);
    std::get<0>(GetParam()).prepare(place_);
    std::filesystem::copy(place_.folder, Kept(), std::filesystem::copy_options::recursive);
  }
  std::string Kept() const { return dir_.path() + "/kept"; }
  void Restore() {
    std::filesystem::remove_all(place_.folder);
    std::filesystem::copy(Kept(), place_.folder, std::filesystem::copy_options::recursive);
  }

  // What the table says, which may not be there yet.
  std::optional<TimestampMicros> ColdWatermark() {
    if (!place_.Exists()) return std::nullopt;
    auto watermark = ReadWatermark(place_.Load().metadata).ValueOrDie();
    return watermark ? std::optional(watermark->stamp.window_to) : std::nullopt;
  }

  // The promise, at this moment; every file that the table needs is there.
  void ExpectPromise(const std::string& where) {
    std::optional<TimestampMicros> watermark = ColdWatermark();
    std::map<int64_t, SourceRow> expected;
    if (watermark) {
      for (const SourceRow& row : place_.source.RowsUpTo(*watermark)) expected.emplace(row.id, row);
    }
    if (!place_.Exists()) return;
    catalog::LoadedTable table = place_.Load();
    std::vector<ColdRow> rows = ReadColdRows(place_.file_io, table.metadata);
    EXPECT_EQ(rows.size(), expected.size()) << where;
    for (const ColdRow& row : rows) {
      auto found = expected.find(row.id);
      ASSERT_NE(found, expected.end()) << where << ": row " << row.id << " is there twice or too early";
      EXPECT_EQ(std::tie(row.ts, row.symbol), std::tie(found->second.ts, found->second.symbol)) << where;
      EXPECT_TRUE(row.extra == -1 || row.extra == ExtraOf(row.id)) << where;
      expected.erase(found);
    }
    std::set<std::string> disk = FilesOnDisk(place_), needed = ReferencedFiles(place_.file_io, table);
    for (const std::string& file : needed) EXPECT_TRUE(disk.contains(file)) << where << ": missing " << file;
  }

  std::set<std::string> Orphans() {
    std::set<std::string> disk = FilesOnDisk(place_), needed = ReferencedFiles(place_.file_io, place_.Load()), orphans;
    std::set_difference(disk.begin(), disk.end(), needed.begin(), needed.end(), std::inserter(orphans, orphans.end()));
    return orphans;
  }

  // The cycle with its nth call gone wrong: the call, or nullopt where the cycle has no such call.
  std::optional<std::string> FaultyCycle(FaultAction action, int nth) {
    auto run = [&](FaultList& faults) {
      faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
      OffloadProcess process(place_, faults);
      auto result = process.Run();
      was_unknown_ = process.catalog().unknown_commits > 0;
      return result;
    };
    if (Dies(action)) {
      int code = storage::WaitForChild(storage::StartChild([&] {
        FaultList faults;
        return run(faults).ok() ? 0 : 1;
      }));
      EXPECT_TRUE(code == storage::kDiedByFault || code == 0) << code;
      return code == storage::kDiedByFault ? std::optional<std::string>("death") : std::nullopt;
    }
    std::optional<TimestampMicros> before = ColdWatermark();
    FaultList faults;
    auto result = run(faults);
    std::string hit = faults.LastHit();
    // What was said for certain is so.
    if (result.ok()) {
      EXPECT_EQ(ColdWatermark(), place_.source.now()) << hit;
    } else if (KindOf(result.status()) != ErrorKind::kUnknownOutcome) {
      EXPECT_EQ(ColdWatermark(), before) << hit << ": " << result.status().ToString();
    }
    return faults.HitCount() > 0 ? std::optional(hit) : std::nullopt;
  }

  storage::TempDir dir_;
  OffloadPlace place_;
  bool was_unknown_ = false;  // the last faulty cycle's commit, for a while
};

TEST_P(CrashMatrix, EveryCallInEveryWay) {
  const auto& [scenario, kind] = GetParam();
  for (FaultAction action :
       {FaultAction::kDieBefore, FaultAction::kDieAfter, FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    if (Dies(action) && !storage::kChildrenMayStartThreads) continue;
    int points = 0, with_orphans = 0;
    std::map<std::string, int> calls;
    for (int nth = 0;; nth += kStride, ++points) {
      Restore();
      std::optional<std::string> hit = FaultyCycle(action, nth);
      std::string where =
          fmt::format("{} {} {}, call {} ({})", scenario.name, NameOf(kind), NameOf(action), nth, hit.value_or("none"));
      ExpectPromise(where + ", right after it");
      auto clean = CleanCycle(place_);
      ASSERT_TRUE(clean.ok()) << where << ": " << clean.status().ToString();
      EXPECT_EQ(ColdWatermark(), place_.source.now()) << where;
      ExpectPromise(where);
      std::set<std::string> orphans = Orphans();
      with_orphans += orphans.empty() ? 0 : 1;
      // Nothing is left lying about but by a death, a lost answer, or a deletion that failed. A commit whose outcome
      // was unknown for a while has not come to deleting old versions of the metadata.
      bool excused = action != FaultAction::kFailBefore || (hit && hit->starts_with("delete "));
      for (const std::string& orphan : orphans) {
        EXPECT_TRUE(excused || (was_unknown_ && orphan.ends_with(".metadata.json"))) << where << ": " << orphan;
      }
      if (testing::Test::HasFatalFailure() || !hit) break;
      ++calls[hit->substr(0, hit->find(' '))];
    }
    EXPECT_GT(points * kStride, 10);
    std::printf("crash-matrix scenario=%s catalog=%s action=%s points=%d orphans=%d passed=%d\n", scenario.name,
                NameOf(kind), NameOf(action), points, with_orphans, HasFailure() ? 0 : 1);
    for (const auto& [call, count] : calls) {
      if (action == FaultAction::kFailBefore) std::printf("crash-calls call=%s count=%d\n", call.c_str(), count);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CrashMatrix,
                         ::testing::Combine(::testing::ValuesIn(kScenarios),
                                            ::testing::Values(CatalogKind::kHadoop, CatalogKind::kSql)),
                         MatrixCaseName);

}  // namespace
}  // namespace calve::offload
