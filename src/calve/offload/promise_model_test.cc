// Random sequences of everything that may happen to a table (rows arriving, cycles that go wrong or meet each other,
// other engines, rollbacks, expiry, a lost journal) against a simple model of the promise. The seed is printed;
// CALVE_MODEL_SEED repeats a run, CALVE_MODEL_STEPS or CALVE_MODEL_SECONDS make it longer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "calve/offload/testing_model_world.h"
#include "calve/table/scan.h"

namespace calve::offload {
namespace {

using storage::FaultList;

constexpr TimestampMicros kModelNoon = 1'723'204'800'000'000;
constexpr int64_t kForeign = 1'000'000'000;  // ids from here on are another engine's
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kStepsUsual = 160;
#else
constexpr uint64_t kStepsUsual = 1200;
#endif

// What a snapshot must hold: the source's rows up to the watermark, and these rows of other engines.
struct Expected {
  std::optional<TimestampMicros> watermark;
  std::set<int64_t> foreign;
};

class World : public ModelWorld {
 public:
  World(CatalogKind kind, uint64_t seed) : ModelWorld(kind, seed) {
    place_.source.SetNow(kModelNoon);
    place_.request.readers = 1 + static_cast<int64_t>(Below(3));
    place_.request.rows_for_readers = 1;
    if (Chance(2)) place_.request.chunk.rows = 1 + static_cast<int64_t>(Below(4));
  }

  void Step() override {
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

  void Finish() override {
    Arrive();
    CleanCycle();
    Learn();
    Check();
    Say("the end");
    std::optional<iceberg::TableMetadata> metadata = Metadata();
    ASSERT_TRUE(metadata && metadata->CurrentSnapshot()) << Story();
    EXPECT_EQ(model_[*metadata->current_snapshot_id].watermark, place_.source.now()) << Story();
    ExpectFilesThere();
  }

 private:
  // --- what happens

  // Rows later than any window's end so far, often at one instant; then the clock moves, often exactly onto one.
  void Arrive() {
    TimestampMicros now = place_.source.now();
    for (uint64_t i = Below(5); i > 0; --i) {
      place_.source.Insert({now + 1 + static_cast<int64_t>(Below(4)), ++last_id_, std::string(1, "abc"[Below(3)])});
    }
    if (Chance(25)) place_.source.AddColumn();
    place_.source.SetNow(now + static_cast<int64_t>(Below(5)));
    Say(fmt::format("rows to {} at {}", last_id_, place_.source.now() - kModelNoon));
  }

  void Event() override {
    switch (Below(6)) {
      case 0:
        return Arrive();
      case 1:
        return ForeignAppend();
      case 2:
        return ForeignRewrite();
      case 3:
        return ChangeProperty();
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
      rows.push_back({kModelNoon + static_cast<int64_t>(Below(100)), last_foreign_, "f"});
    }
    auto done = CommitFiles(place_, WriteRows(place_.file_io, *metadata, rows), {});
    ASSERT_TRUE(done.ok()) << done.status().ToString();
    foreign_of_[*done] = ids;
  }

  // Whether the watermark could still be told, or would be known to be unknown, after these updates. What is not
  // promised (docs/reliability.md): a rollback past a snapshot of calve's, another engine's commit on top, and then an
  // expiry that cuts off what came before.
  bool Promised(const iceberg::TableMetadata& metadata, const std::vector<iceberg::TableUpdate>& updates) override {
    if (told_begin_) return false;
    auto after = iceberg::ApplyUpdates(metadata, updates, metadata.last_updated_ms);
    if (!after.ok()) return false;
    auto watermark = ReadWatermark(*after);
    if (!watermark.ok()) return true;
    std::optional<TimestampMicros> told;
    if (*watermark) told = (*watermark)->stamp.window_to;
    return told == model_[*after->current_snapshot_id].watermark;
  }

  // --- cycles

  // Where the table cannot say where to begin, its operator does.
  void BeforeCycle() override {
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
  void AfterCycle() override { told_begin_ = false; }

  void CleanCycle() override {
    BeforeCycle();
    FaultList none;
    auto done = OffloadProcess(place_, none).Run();
    AfterCycle();
    Say("clean cycle");
    EXPECT_TRUE(done.ok()) << done.status().ToString() << Story();
  }

  // --- the model

  // What every snapshot must hold, from its parent's on.
  void Learn() override {
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

  int64_t last_id_ = 0, last_foreign_ = kForeign;
  bool told_begin_ = false;                          // the request says where to begin
  std::map<int64_t, std::set<int64_t>> foreign_of_;  // by snapshot: rows that it added
  std::map<int64_t, Expected> model_;                // by snapshot
  std::map<std::string, std::vector<ColdRow>> rows_of_;
};

TEST(PromiseModel, HoldsThroughRandomSequences) {
  RunWorlds(kStepsUsual, [](CatalogKind kind, uint64_t seed) { return std::make_unique<World>(kind, seed); });
}

}  // namespace
}  // namespace calve::offload
