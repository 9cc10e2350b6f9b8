// The crash matrix: every call of a cycle to the store, the catalog, its database and the journal, in order, goes wrong
// in every way; whatever happens, the table holds what it held before or what the cycle brings, and after the next
// cycle the source's rows up to the watermark, once: new rows, late ones, the newest versions of those that changed.
// docs/reliability.md publishes what it prints (tools/crash_matrix.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "calve/offload/testing_offload_place.h"
#include "calve/postgres/testing_postgres_server.h"
#include "calve/storage/testing_child_process.h"
#include "calve/table/scan.h"

namespace calve::offload {
namespace {

using storage::FaultAction;
using storage::FaultList;

constexpr TimestampMicros kMatrixNoon = 1'723'204'800'000'000;
constexpr int64_t kTwoHours = 2 * 3600 * kMicrosPerSecond;
constexpr int64_t kTwoDays = 24 * kTwoHours;
TimestampMicros At(int64_t second) { return kMatrixNoon + second * kMicrosPerSecond; }

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

// Behind the watermark, in three hours and as many inserts; and rows that a key knows, delivered again with other
// values.
void InsertLate(OffloadPlace& place, bool again) {
  constexpr int64_t kLateHour = 3600;
  place.source.InsertBlock({{At(5), 5001, "late"}, {At(10), 5002, "late"}});
  place.source.Insert({At(-2 * kLateHour), 5003, "late"});
  place.source.InsertBlock({{At(-kLateHour), 5004, "late"}, {At(-kLateHour), 5005, "late"}});
  if (again) place.source.InsertBlock({{At(6), 1003, "again"}, {At(7), 5006, "late"}});
}

// Versions of rows that are in cold: rows of the first window are 1001 to 1008, at its seconds 4 to 10.
void InsertVersions(OffloadPlace& place) {
  place.source.InsertBlock({{At(5), 1002, "changed"}, {At(7), 1004, "gone", true}});
  place.source.Insert({At(10), 1008, "changed"});
  place.source.Insert({At(9), 5001, "late"});
  place.source.Insert({At(5), 1002, "changed again"});
}

// What other hands did to a table of two windows: of the first one two rows are gone and one is another, of the second
// three are there twice.
void Damage(OffloadPlace& place) {
  const iceberg::TableMetadata metadata = place.Load().metadata;
  auto files = table::ListDataFiles(place.file_io, metadata, *metadata.current_snapshot_id).ValueOrDie();
  std::vector<iceberg::DataFile> removed;
  std::vector<SourceRow> rows;
  for (const iceberg::DataFile& file : files) {
    const std::vector<ColdRow> in_file = ReadDataFile(place.file_io, file.file_path);
    const bool first_window = in_file.front().id < 2000;
    if (first_window) removed.push_back(file);
    for (const ColdRow& row : in_file) {
      if (first_window ? row.id > 1002 : row.id <= 2003) {
        rows.push_back({row.ts, row.id, row.id == 1005 ? "damaged" : row.symbol});
      }
    }
  }
  CommitFiles(place, WriteRows(place.file_io, metadata, rows), removed).ValueOrDie();
}

// What goes wrong: a cycle; verify --repair; or plan, write-slice and commit, each time by whoever goes on.
enum class Works { kCycle, kRepair, kSlices };
struct Scenario {
  const char* name;
  void (*prepare)(OffloadPlace& place);
  Works works = Works::kCycle;
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
    {"late_rows",
     [](OffloadPlace& place) {
       place.request.lookback_micros = kTwoDays;
       Windows(place, 1);
       InsertLate(place, false);
     }},
    {"late_rows_by_key",
     [](OffloadPlace& place) {
       place.request.lookback_micros = kTwoDays;
       place.request.key = {"id"};
       Windows(place, 1);
       InsertLate(place, true);
       place.source.Drop(At(4));
     }},
    {"changed_rows",
     [](OffloadPlace& place) {
       place.request.lookback_micros = kTwoDays;
       place.source.MergeBy("id, ts");
       Windows(place, 1);
       InsertVersions(place);
       place.source.Drop(At(4));
     }},
    {"older_versions",
     [](OffloadPlace& place) {
       place.request.lookback_micros = kTwoDays;
       place.source.MergeBy("id");
       Windows(place, 1);
       InsertVersions(place);
       place.source.InsertBlock({{At(15), 1003, "changed"}, {At(16), 1006, "gone", true}, {At(17), 1002, "at last"}});
       place.source.Drop(At(4));
     }},
    {"repair",
     [](OffloadPlace& place) {
       place.request.key = {"id"};
       Windows(place, 1);
       CleanCycle(place).ValueOrDie();
       Damage(place);
     },
     Works::kRepair},
    {"slices_first_load", [](OffloadPlace& place) { Windows(place, 0); }, Works::kSlices},
    {"slices",
     [](OffloadPlace& place) {
       place.request.partition_by = {"symbol"};
       Windows(place, 1);
     },
     Works::kSlices},
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

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CrashMatrix);
class CrashMatrix : public ::testing::TestWithParam<MatrixCase> {
 protected:
  CrashMatrix() : place_(std::get<1>(GetParam()), dir_.path() + "/live") {
    std::filesystem::create_directories(place_.folder);
    std::get<0>(GetParam()).prepare(place_);
    Expect();
    place_.Keep();
  }

  // What the table says, which may not be there yet.
  std::optional<TimestampMicros> ColdWatermark() {
    if (!place_.Exists()) return std::nullopt;
    auto watermark = ReadWatermark(place_.Load().metadata).ValueOrDie();
    return watermark ? std::optional(watermark->stamp.window_to) : std::nullopt;
  }

  Works works() const { return std::get<0>(GetParam()).works; }
  bool repairs() const { return works() == Works::kRepair; }

  // What the table holds now, and what it is to hold in the end.
  void Expect() {
    watermark_before_ = ColdWatermark();
    if (place_.Exists()) before_ = ReadColdRows(place_.file_io, place_.Load().metadata);
    for (const ColdRow& row : before_) in_the_end_.try_emplace(row.id, row);
    const bool merged = place_.source.MergesRows();
    for (const SourceRow& row : place_.source.NewestVersions()) {
      if (row.ts > place_.source.now()) continue;
      if (row.deleted) {
        in_the_end_.erase(row.id);
      } else if (merged || repairs()) {
        in_the_end_[row.id] = {row.ts, row.id, row.symbol};
      } else {
        in_the_end_.try_emplace(row.id, ColdRow{row.ts, row.id, row.symbol});  // what is in cold stays
      }
    }
  }

  // The promise, at this moment; every file that the table needs is there.
  void ExpectPromise(const std::string& where, bool settled) {
    if (!place_.Exists()) return;
    catalog::LoadedTable table = place_.Load();
    const std::vector<ColdRow> rows = ReadColdRows(place_.file_io, table.metadata);
    for (const ColdRow& row : rows) EXPECT_TRUE(row.extra == -1 || row.extra == ExtraOf(row.id)) << where;
    const bool as_before = Texts(rows) == Texts(before_);
    // A repair is one snapshot: all of it or nothing.
    if (repairs()) {
      EXPECT_TRUE((as_before && !settled) || IsTheEnd(rows)) << where;
    } else if (!settled && ColdWatermark() == watermark_before_) {
      EXPECT_TRUE(as_before) << where;
    } else {
      ExpectRows(rows, settled, where);
    }
    std::set<std::string> disk = FilesOnDisk(place_), needed = ReferencedFiles(place_.file_io, table);
    for (const std::string& file : needed) EXPECT_TRUE(disk.contains(file)) << where << ": missing " << file;
  }

  // The window is in. What is behind it may be as before, row by row, or already as in the end.
  void ExpectRows(const std::vector<ColdRow>& rows, bool settled, const std::string& where) {
    std::map<int64_t, std::string> old;
    for (const ColdRow& row : before_) old[row.id] = Text(row);
    std::set<int64_t> seen;
    for (const ColdRow& row : rows) {
      ASSERT_TRUE(seen.insert(row.id).second) << where << ": row " << row.id << " is there twice";
      auto end = in_the_end_.find(row.id);
      const bool is_new = end != in_the_end_.end() && Text(row) == Text(end->second);
      const bool is_old = !settled && old.contains(row.id) && Text(row) == old[row.id];
      EXPECT_TRUE(is_new || is_old) << where << ": " << Text(row);
    }
    for (const auto& [id, row] : in_the_end_) {
      const bool due = settled || old.contains(id) || !watermark_before_ || row.ts > *watermark_before_;
      EXPECT_TRUE(!due || seen.contains(id)) << where << ": row " << id << " is missing";
    }
  }

  static std::string Text(const ColdRow& row) { return fmt::format("{} {} {}", row.ts, row.id, row.symbol); }
  static std::multiset<std::string> Texts(const std::vector<ColdRow>& rows) {
    std::multiset<std::string> texts;
    for (const ColdRow& row : rows) texts.insert(Text(row));
    return texts;
  }
  bool IsTheEnd(const std::vector<ColdRow>& rows) const {
    std::multiset<std::string> end;
    for (const auto& [id, row] : in_the_end_) end.insert(Text(row));
    return Texts(rows) == end;
  }

  std::set<std::string> Orphans() {
    std::set<std::string> disk = FilesOnDisk(place_), needed = ReferencedFiles(place_.file_io, place_.Load()), orphans;
    std::set_difference(disk.begin(), disk.end(), needed.begin(), needed.end(), std::inserter(orphans, orphans.end()));
    return orphans;
  }

  Status Work(OffloadProcess& process) const {
    switch (works()) {
      case Works::kCycle:
        return process.Run().status();
      case Works::kRepair:
        return process.Repair().status();
      case Works::kSlices:
        return process.RunSlices().status();
    }
    return Status::OK();
  }
  Status CleanWork() {
    FaultList none;
    OffloadProcess process(place_, none);
    return Work(process);
  }

  // The cycle with its nth call gone wrong: the call, or nullopt where the cycle has no such call.
  std::optional<std::string> FaultyCycle(FaultAction action, int nth) {
    auto run = [&](FaultList& faults) {
      // What becomes of files does not depend on where their catalog is.
      const bool files = place_.kind == CatalogKind::kHadoop || place_.kind == CatalogKind::kSql;
      faults.Inject({.point = std::nullopt, .action = action, .skip = nth, .files = files});
      OffloadProcess process(place_, faults);
      Status done = Work(process);
      was_unknown_ = process.catalog().unknown_commits > 0;
      return done;
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
    const Status done = run(faults);
    std::string hit = faults.LastHit();
    // What was said for certain is so. (A repair may fail in looking at what it did.)
    if (done.ok()) {
      EXPECT_EQ(ColdWatermark(), place_.source.now()) << hit;
    } else if (KindOf(done) != ErrorKind::kUnknownOutcome) {
      EXPECT_EQ(ColdWatermark(), before) << hit << ": " << done.ToString();
    }
    if (done.ok() && repairs()) {
      EXPECT_TRUE(IsTheEnd(ReadColdRows(place_.file_io, place_.Load().metadata))) << hit;
    }
    return faults.HitCount() > 0 ? std::optional(hit) : std::nullopt;
  }

  TempDir dir_;
  OffloadPlace place_;
  std::optional<TimestampMicros> watermark_before_;
  std::vector<ColdRow> before_;
  std::map<int64_t, ColdRow> in_the_end_;  // by id, which is the key in every scenario
  bool was_unknown_ = false;               // the last faulty cycle's commit, for a while
};

TEST_P(CrashMatrix, EveryCallInEveryWay) {
  const auto& [scenario, kind] = GetParam();
  for (FaultAction action :
       {FaultAction::kDieBefore, FaultAction::kDieAfter, FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    if (Dies(action) && !storage::kChildrenMayStartThreads) continue;
    int points = 0, with_orphans = 0;
    std::map<std::string, int> calls;
    for (int nth = 0;; nth += kStride, ++points) {
      place_.Restore();
      std::optional<std::string> hit = FaultyCycle(action, nth);
      std::string where =
          fmt::format("{} {} {}, call {} ({})", scenario.name, NameOf(kind), NameOf(action), nth, hit.value_or("none"));
      ExpectPromise(where + ", right after it", false);
      const Status clean = CleanWork();
      ASSERT_TRUE(clean.ok()) << where << ": " << clean.ToString();
      EXPECT_EQ(ColdWatermark(), place_.source.now()) << where;
      ExpectPromise(where, true);
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
    EXPECT_GE(points * kStride, 7);
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

// With a catalog that is a server: the cycles that differ in what they ask of it, and of the journal.
std::vector<Scenario> ServerScenarios() {
  std::vector<Scenario> scenarios;
  for (const Scenario& scenario : kScenarios) {
    const std::set<std::string> wanted{"first_load",   "increment", "new_column", "late_rows",
                                       "changed_rows", "repair",    "slices"};
    if (wanted.contains(scenario.name)) scenarios.push_back(scenario);
  }
  return scenarios;
}
std::vector<CatalogKind> ServerKinds() {
  std::vector<CatalogKind> kinds{CatalogKind::kRest, CatalogKind::kRestCurrent};
  if (postgres::PostgresServer::IsInstalled()) kinds.push_back(CatalogKind::kPostgres);  // the journal is there, too
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(Servers, CrashMatrix,
                         ::testing::Combine(::testing::ValuesIn(ServerScenarios()), ::testing::ValuesIn(ServerKinds())),
                         MatrixCaseName);

}  // namespace
}  // namespace calve::offload
