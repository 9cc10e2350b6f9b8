// Random sequences of everything that may happen to a table (rows arriving, cycles that go wrong or meet each other,
// other engines, rollbacks, expiry, a lost journal) against a simple model of the promise. The seed is printed;
// CALVE_MODEL_SEED repeats a run, CALVE_MODEL_STEPS makes it longer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "calve/base/random.h"
#include "calve/offload/testing_offload_place.h"
#include "calve/storage/testing_child_process.h"
#include "calve/table/scan.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;
using storage::FaultAction;
using storage::FaultList;

constexpr TimestampMicros kNoon = 1'723'204'800'000'000;
constexpr int64_t kForeign = 1'000'000'000;  // ids from here on are another engine's
constexpr int kStepsOfAWorld = 80;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kStepsUsual = 320;
#else
constexpr uint64_t kStepsUsual = 2400;
#endif

// What a snapshot must hold: the source's rows up to the watermark, and these rows of other engines.
struct Expected {
  std::optional<TimestampMicros> watermark;
  std::set<int64_t> foreign;
};

class World {
 public:
  World(CatalogKind kind, uint64_t seed) : place_(kind, dir_.path() + "/w"), random_(seed) {
    std::filesystem::create_directories(place_.folder);
    place_.source.SetNow(kNoon);
    if (Chance(3)) place_.request.partition_by = {"symbol"};
    if (Chance(2)) place_.request.properties["commit.manifest.min-count-to-merge"] = "3";
    place_.request.properties["commit.retry.num-retries"] = "2";
  }

  void Step() {
    switch (Below(12)) {
      case 0:
      case 1:
      case 2:
        Arrive();
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        Cycle();
        break;
      case 8:
        if (Chance(4)) LoseJournal();
        break;
      case 9:
        Expire();
        break;
      default:
        Event();
    }
    Learn();
    Check();
  }

  // No faults any more: everything arrives.
  void Finish() {
    Arrive();
    CleanCycle();
    Learn();
    Check();
    Say("the end");
    std::optional<iceberg::TableMetadata> metadata = Metadata();
    ASSERT_TRUE(metadata && metadata->CurrentSnapshot()) << Story();
    EXPECT_EQ(model_[*metadata->current_snapshot_id].watermark, place_.source.now()) << Story();
    std::set<std::string> disk = FilesOnDisk(place_);
    for (const std::string& file : ReferencedFiles(place_.file_io, place_.Load())) {
      EXPECT_TRUE(disk.contains(file)) << "missing " << file << Story();
    }
  }

  std::string Story() const { return "\n" + story_; }

 private:
  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }
  void Say(const std::string& what) { story_ += what + "; "; }

  std::optional<iceberg::TableMetadata> Metadata() {
    auto loaded = place_.OpenCatalog()->LoadTable(place_.request.target);
    if (!loaded.ok()) return std::nullopt;
    return loaded->metadata;
  }
  Status Commit(const std::vector<iceberg::TableUpdate>& updates) {
    return place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).status();
  }

  // --- what happens

  // Rows later than any window's end so far, often at one instant; then the clock moves, often exactly onto one.
  void Arrive() {
    TimestampMicros now = place_.source.now();
    for (uint64_t i = Below(5); i > 0; --i) {
      place_.source.Insert({now + 1 + static_cast<int64_t>(Below(4)), ++last_id_, std::string(1, "abc"[Below(3)])});
    }
    if (Chance(25)) place_.source.AddColumn();
    place_.source.SetNow(now + static_cast<int64_t>(Below(5)));
    Say(fmt::format("rows to {} at {}", last_id_, place_.source.now() - kNoon));
  }

  // Something that does not end a cycle that is under way.
  void Event() {
    switch (Below(6)) {
      case 0:
        return Arrive();
      case 1:
        return ForeignAppend();
      case 2:
        return ForeignRewrite();
      case 3:
        Say("property");
        static_cast<void>(Commit({iceberg::SetProperties{{{"owner", fmt::to_string(Below(100))}}}}));
        return;
      case 4:
        return Rollback();
      default:
        return Deliver();
    }
  }

  void ForeignAppend() {
    auto metadata = Metadata();
    if (!metadata) return;
    Say("foreign append");
    std::vector<SourceRow> rows;
    std::set<int64_t> ids;
    for (uint64_t i = 0; i <= Below(3); ++i) {
      ids.insert(++last_foreign_);
      rows.push_back({kNoon + static_cast<int64_t>(Below(100)), last_foreign_, "f"});
    }
    auto done = CommitFiles(place_, WriteRows(place_.file_io, *metadata, rows), {});
    ASSERT_TRUE(done.ok()) << done.status().ToString();
    foreign_of_[*done] = ids;
  }

  // As a compaction: another snapshot with the same rows.
  void ForeignRewrite() {
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot()) return;
    Say("foreign rewrite");
    iceberg::Snapshot snapshot = *metadata->CurrentSnapshot();
    snapshot.parent_snapshot_id = snapshot.snapshot_id;
    snapshot.snapshot_id = RandomPositiveInt64();
    snapshot.sequence_number = metadata->last_sequence_number + 1;
    snapshot.timestamp_ms = std::max(metadata->last_updated_ms, place_.clock.Now() / 1000);
    std::erase_if(snapshot.summary, [](const auto& entry) { return entry.first.starts_with("calve."); });
    snapshot.summary["operation"] = "replace";
    Status done = Commit(
        {iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{"main", {snapshot.snapshot_id, true, {}, {}, {}}}});
    ASSERT_TRUE(done.ok()) << done.ToString();
  }

  // main's ancestors that are still there, the tip first.
  static std::vector<int64_t> Ancestors(const iceberg::TableMetadata& metadata) {
    std::vector<int64_t> ids;
    const iceberg::Snapshot* step = metadata.CurrentSnapshot();
    while (step) {
      ids.push_back(step->snapshot_id);
      step = step->parent_snapshot_id ? metadata.FindSnapshot(*step->parent_snapshot_id) : nullptr;
    }
    return ids;
  }

  // Whether the watermark could still be told, or would be known to be unknown, after these updates. What is not
  // promised (docs/reliability.md): a rollback past a snapshot of calve's, another engine's commit on top, and then an
  // expiry that cuts off what came before.
  bool Promised(const iceberg::TableMetadata& metadata, const std::vector<iceberg::TableUpdate>& updates) {
    auto after = iceberg::ApplyUpdates(metadata, updates, metadata.last_updated_ms);
    if (!after.ok()) return false;
    auto watermark = ReadWatermark(*after);
    if (!watermark.ok()) return true;
    std::optional<TimestampMicros> told;
    if (*watermark) told = (*watermark)->stamp.window_to;
    return told == model_[*after->current_snapshot_id].watermark;
  }

  void Rollback() {
    Learn();
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot() || told_begin_) return;
    std::vector<int64_t> ids = Ancestors(*metadata);
    int64_t to = ids[Below(std::min<uint64_t>(ids.size(), 4))];
    std::vector<iceberg::TableUpdate> updates = {iceberg::SetSnapshotRef{"main", {to, true, {}, {}, {}}}};
    if (!Promised(*metadata, updates)) return;
    Say("rollback");
    ASSERT_TRUE(Commit(updates).ok());
  }

  // As an engine that does not know our tag.
  void Expire() {
    Learn();
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot()) return;
    std::vector<int64_t> keep = Ancestors(*metadata);
    keep.resize(std::min<size_t>(keep.size(), 1 + Below(4)));
    std::vector<iceberg::TableUpdate> updates;
    iceberg::RemoveSnapshots remove;
    for (const iceberg::Snapshot& snapshot : metadata->snapshots) {
      if (std::find(keep.begin(), keep.end(), snapshot.snapshot_id) == keep.end()) {
        remove.snapshot_ids.push_back(snapshot.snapshot_id);
      }
    }
    if (remove.snapshot_ids.empty()) return;
    for (const auto& [name, ref] : metadata->refs) {
      if (std::find(keep.begin(), keep.end(), ref.snapshot_id) == keep.end()) {
        updates.push_back(iceberg::RemoveSnapshotRef{name});
      }
    }
    updates.push_back(remove);
    if (!Promised(*metadata, updates)) return;
    Say(fmt::format("expiry to {}", keep.size()));
    Status done = Commit(updates);
    ASSERT_TRUE(done.ok()) << done.ToString();
  }

  // A commit that was under way for long.
  void Deliver() {
    if (held_.empty()) return;
    auto held = held_.back();
    held_.pop_back();
    auto inner = place_.OpenCatalog();
    Say(fmt::format("late effect: {}", held.ArriveAt(*inner).ok() ? "in" : "refused"));
  }

  void LoseJournal() {
    Say("journal lost");
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(place_.JournalFile() + end);
  }

  // --- cycles

  // Where the table cannot say where to begin, its operator does.
  void TellBeginning() {
    Learn();
    place_.request.start_from.reset();
    place_.request.start_at_first = told_begin_ = false;
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot()) return;
    auto watermark = ReadWatermark(*metadata);
    if (watermark.ok() && *watermark) return;
    told_begin_ = true;
    place_.request.start_from = model_[*metadata->current_snapshot_id].watermark;
    place_.request.start_at_first = !place_.request.start_from;
  }

  void CleanCycle() {
    TellBeginning();
    FaultList none;
    auto done = OffloadProcess(place_, none).Run();
    told_begin_ = false;
    Say("clean cycle");
    EXPECT_TRUE(done.ok()) << done.status().ToString() << Story();
  }

  void Cycle() {
    if (Chance(3)) return CleanCycle();
    TellBeginning();
    auto action = static_cast<FaultAction>(Below(4));
    auto nth = static_cast<int>(Below(70));
    const bool dies = action == FaultAction::kDieBefore || action == FaultAction::kDieAfter;
    if (dies && !storage::kChildrenMayStartThreads) return CleanCycle();
    if (dies) {
      Say(fmt::format("death {}", nth));
      int code = storage::WaitForChild(storage::StartChild([&] {
        FaultList faults;
        faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
        return OffloadProcess(place_, faults).Run().ok() ? 0 : 1;
      }));
      EXPECT_TRUE(code == storage::kDiedByFault || code <= 1) << code;
    } else {
      DisturbedCycle(action, nth);
    }
    told_begin_ = false;
  }

  void DisturbedCycle(FaultAction action, int nth) {
    FaultList faults;
    if (Chance(2)) faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
    OffloadProcess process(place_, faults);
    for (uint64_t i = Below(3); i > 0; --i) process.catalog().faults.push_back(static_cast<CommitFault>(Below(7)));
    if (Chance(2)) place_.source.before_rows = [this] { Meanwhile(); };
    if (Chance(3)) process.catalog().before_commit = [this] { Meanwhile(); };
    if (Chance(3)) process.catalog().after_commit = [this] { Meanwhile(); };
    auto done = process.Run();
    place_.source.before_rows = nullptr;
    if (process.catalog().held) held_.push_back(*process.catalog().held);
    Say(fmt::format("cycle: {}", done.ok() ? "ok" : MessageOf(done.status())));
    if (!done.ok() || !done->snapshot_id) return;
    auto metadata = Metadata();
    EXPECT_TRUE(metadata && metadata->FindSnapshot(*done->snapshot_id)) << "it said that it was in" << Story();
  }

  // Between a window's plan and the end of its commit: an event, or another calve's whole cycle.
  void Meanwhile() {
    if (!Chance(3)) return Event();
    FaultList none;
    auto done = OffloadProcess(place_, none).Run();
    Say(fmt::format("another calve: {}", done.ok() ? "ok" : MessageOf(done.status())));
  }

  // --- the model

  // What every snapshot must hold, from its parent's on.
  void Learn() {
    auto metadata = Metadata();
    if (!metadata) return;
    std::vector<const iceberg::Snapshot*> news;
    for (const iceberg::Snapshot& snapshot : metadata->snapshots) {
      if (!model_.contains(snapshot.snapshot_id)) news.push_back(&snapshot);
    }
    std::sort(news.begin(), news.end(), [](auto* a, auto* b) { return a->sequence_number < b->sequence_number; });
    for (const iceberg::Snapshot* snapshot : news) {
      Expected expected;
      if (snapshot->parent_snapshot_id) {
        ASSERT_TRUE(model_.contains(*snapshot->parent_snapshot_id)) << Story();
        expected = model_[*snapshot->parent_snapshot_id];
      }
      auto to = snapshot->summary.find("calve.window-to");
      if (to != snapshot->summary.end()) expected.watermark = *ParseTimestamp(to->second);
      for (int64_t id : foreign_of_[snapshot->snapshot_id]) expected.foreign.insert(id);
      model_[snapshot->snapshot_id] = expected;
    }
  }

  void Check() {
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot()) return;
    Expected expected = model_[*metadata->current_snapshot_id];
    std::map<int64_t, TimestampMicros> missing;
    if (expected.watermark) {
      for (const SourceRow& row : place_.source.RowsUpTo(*expected.watermark)) missing[row.id] = row.ts;
    }
    for (int64_t id : expected.foreign) missing[id] = 0;
    auto files = table::ListDataFiles(place_.file_io, *metadata, *metadata->current_snapshot_id);
    ASSERT_TRUE(files.ok()) << files.status().ToString() << Story();
    for (const iceberg::DataFile& file : *files) {
      auto [cached, fresh] = rows_of_.try_emplace(file.file_path);
      if (fresh) cached->second = ReadDataFile(place_.file_io, file.file_path);
      for (const ColdRow& row : cached->second) {
        auto found = missing.find(row.id);
        ASSERT_NE(found, missing.end()) << "row " << row.id << " twice or too early" << Story();
        ASSERT_TRUE(row.id >= kForeign || found->second == row.ts) << Story();
        missing.erase(found);
      }
    }
    ASSERT_TRUE(missing.empty()) << "row " << missing.begin()->first << " is missing" << Story();
  }

  storage::TempDir dir_;
  OffloadPlace place_;
  std::mt19937_64 random_;
  std::string story_;
  int64_t last_id_ = 0, last_foreign_ = kForeign;
  bool told_begin_ = false;  // the request says where to begin
  std::vector<catalog::HeldCommit> held_;
  std::map<int64_t, std::set<int64_t>> foreign_of_;  // by snapshot: rows that it added
  std::map<int64_t, Expected> model_;                // by snapshot
  std::map<std::string, std::vector<ColdRow>> rows_of_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(PromiseModel, HoldsThroughRandomSequences) {
  uint64_t seed = FromEnvironment("CALVE_MODEL_SEED", 20240809);
  uint64_t steps = FromEnvironment("CALVE_MODEL_STEPS", kStepsUsual);
  std::printf("seed %lu, %lu steps\n", seed, steps);
  for (uint64_t done = 0; done < steps && !HasFailure(); done += kStepsOfAWorld, ++seed) {
    SCOPED_TRACE(fmt::format("CALVE_MODEL_SEED={} CALVE_MODEL_STEPS={}", seed, kStepsOfAWorld));
    World world(seed % 2 ? CatalogKind::kHadoop : CatalogKind::kSql, seed);
    for (int step = 0; step < kStepsOfAWorld && !HasFailure(); ++step) world.Step();
    if (!HasFailure()) world.Finish();
  }
}

}  // namespace
}  // namespace calve::offload
