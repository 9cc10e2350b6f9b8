// The model of promise_model_test.cc for rows that come late, are delivered again, change, are deleted or expire:
// random sequences against what every snapshot must at least hold, may at most hold, and what an undisturbed cycle must
// bring.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "calve/offload/testing_model_world.h"
#include "calve/table/scan.h"

namespace calve::offload {
namespace {

using storage::FaultList;

constexpr int64_t kModelHour = 3600 * kMicrosPerSecond;
constexpr TimestampMicros kModelNoon = 1'723'204'800'000'000;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kModelStepsUsual = 160;
#else
constexpr uint64_t kModelStepsUsual = 1200;
#endif

enum class Rows {
  kAppended,  // a MergeTree without a key
  kKeyed,     // a MergeTree; rows are delivered again with other values
  kChanged,   // a ReplacingMergeTree whose key holds the cursor
  kMoving,    // a ReplacingMergeTree whose rows get later times as they change
};
constexpr const char* kRowsNames[] = {"appended", "keyed", "changed", "moving"};

// What was inserted under one id, oldest first.
struct Versions {
  std::vector<SourceRow> rows;
  bool timely = false;  // the first was inserted before its time had come
  bool deleted = false;
};

// By snapshot.
struct Held {
  std::optional<TimestampMicros> watermark;
  std::map<int64_t, ColdRow> rows;
};

class ChangingWorld : public ModelWorld {
 public:
  ChangingWorld(CatalogKind kind, uint64_t seed)
      : ModelWorld(kind, seed),
        rows_(static_cast<Rows>(Below(4))),
        lookback_(Chance(2) ? 3 * kModelHour : 48 * kModelHour) {
    place_.source.SetNow(kModelNoon);
    place_.request.lookback_micros = lookback_;
    calls_of_a_cycle_ = 150;
    place_.request.readers = 1 + static_cast<int64_t>(Below(3));
    place_.request.rows_for_readers = 1;
    if (Chance(2)) place_.request.chunk.rows = 1 + static_cast<int64_t>(Below(4));
    if (rows_ == Rows::kKeyed) place_.request.key = {"id"};
    if (merges()) place_.source.MergeBy(rows_ == Rows::kChanged ? "id, ts" : "id");
    Say(fmt::format("{}, look-back {} h, chunks of {}", kRowsNames[static_cast<int>(rows_)], lookback_ / kModelHour,
                    place_.request.chunk.rows));
  }

  void Step() override {
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
        Arrive();
        break;
      case 3:
      case 4:
        Disturb();
        break;
      case 5:
        if (Chance(4)) LoseJournal();
        break;
      case 6:
        Expire();
        break;
      case 7:
        if (Chance(2)) Forget();
        break;
      case 8:
        Event();
        break;
      default:
        Cycle();
    }
    Learn();
  }

  void Finish() override {
    Arrive();
    Disturb();
    CleanCycle();
    Say("the end");
    ExpectFilesThere();
  }

 private:
  bool merges() const { return rows_ == Rows::kChanged || rows_ == Rows::kMoving; }
  TimestampMicros now() const { return place_.source.now(); }

  // --- what happens to hot

  void Insert(std::vector<SourceRow> rows) {
    for (const SourceRow& row : rows) {
      Versions& versions = versions_[row.id];
      if (versions.rows.empty()) versions.timely = row.ts > now();
      versions.deleted |= row.deleted;
      versions.rows.push_back(row);
    }
    place_.source.InsertBlock(std::move(rows));
  }

  // Rows whose time has not come yet, then the clock, which may step over hours.
  void Arrive() {
    const TimestampMicros before = now();
    std::vector<SourceRow> rows;
    for (uint64_t i = Below(5); i > 0; --i) {
      rows.push_back({before + 1 + static_cast<int64_t>(Below(4)), ++last_id_, Symbol()});
    }
    if (!rows.empty()) Insert(std::move(rows));
    place_.source.SetNow(before + static_cast<int64_t>(Chance(3) ? Below(3 * kModelHour) : Below(5)));
    Say(fmt::format("rows to {} at {}", last_id_, now() - kModelNoon));
  }

  // Behind the watermark or not: late rows, versions, merges.
  void Disturb() {
    for (uint64_t i = 1 + Below(3); i > 0; --i) {
      if (Chance(4)) {
        place_.source.MergeParts(Below(20), 2 + Below(4));
      } else if (rows_ != Rows::kAppended && last_id_ > 0 && Chance(2)) {
        Change();
      } else {
        InsertLate();
      }
    }
  }

  void InsertLate() {
    std::vector<SourceRow> rows;
    for (uint64_t i = 1 + Below(3); i > 0; --i) {
      const TimestampMicros ts = now() - static_cast<int64_t>(Chance(2) ? Below(5) : Below(6 * kModelHour));
      // Without a key, hours of which hot has lost rows are left alone.
      if (rows_ == Rows::kAppended && ts <= forgotten_to_) continue;
      rows.push_back({ts, ++last_id_, Symbol()});
    }
    if (rows.empty()) return;
    Say(fmt::format("late rows to {}", last_id_));
    Insert(std::move(rows));
  }

  // Another version of a row that was inserted before.
  void Change() {
    std::vector<SourceRow> rows;
    for (uint64_t i = 1 + Below(2); i > 0; --i) {
      SourceRow row = Newest(1 + static_cast<int64_t>(Below(static_cast<uint64_t>(last_id_))), rows);
      row.symbol = Symbol();
      row.deleted = merges() && Chance(4);
      if (rows_ == Rows::kMoving)
        row.ts = Chance(2) ? std::max(row.ts, now()) + static_cast<int64_t>(Below(3)) : row.ts;
      // In one window both would come: only what is in cold is delivered again.
      if (rows_ == Rows::kKeyed && row.ts > Watermark().value_or(INT64_MIN)) continue;
      delivered_again_ |= rows_ == Rows::kKeyed;
      Say(fmt::format("{} {} of {} at {}", row.deleted ? "deletion" : "version", row.symbol, row.id,
                      row.ts - kModelNoon));
      rows.push_back(std::move(row));
    }
    if (!rows.empty()) Insert(std::move(rows));
  }

  // With the rows of a block that is not inserted yet.
  const SourceRow& Newest(int64_t id, const std::vector<SourceRow>& block) {
    const auto in_block = std::find_if(block.rbegin(), block.rend(), [&](const auto& row) { return row.id == id; });
    return in_block != block.rend() ? *in_block : versions_[id].rows.back();
  }

  // Hot's TTL: what is offloaded goes.
  void Forget() {
    Learn();
    const std::optional<TimestampMicros> watermark = Watermark();
    if (!watermark) return;
    TimestampMicros limit = *watermark - static_cast<int64_t>(Chance(2) ? Below(4) : Below(8 * kModelHour));
    if (rows_ == Rows::kAppended) limit = limit / kModelHour * kModelHour - 1;
    forgotten_to_ = std::max(forgotten_to_, limit);
    place_.source.Drop(limit);
    Say(fmt::format("forgotten to {}", limit - kModelNoon));
  }

  void Event() override {
    switch (Below(6)) {
      case 0:
        return Arrive();
      case 1:
        return Disturb();
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

  std::string Symbol() { return fmt::format("{}{}", "abc"[Below(3)], merges() ? Below(1000) : 0); }

  // --- cycles

  std::optional<TimestampMicros> Watermark() {
    auto metadata = Metadata();
    if (!metadata || !metadata->CurrentSnapshot()) return std::nullopt;
    auto watermark = ReadWatermark(*metadata);
    if (!watermark.ok() || !*watermark) return std::nullopt;
    return (*watermark)->stamp.window_to;
  }

  // That the watermark can still be told. Rows that were delivered again are in hot twice: a rollback of the window
  // that they are of would bring both.
  bool Promised(const iceberg::TableMetadata& metadata, const std::vector<iceberg::TableUpdate>& updates) override {
    auto after = iceberg::ApplyUpdates(metadata, updates, metadata.last_updated_ms);
    if (!after.ok()) return false;
    auto watermark = ReadWatermark(*after);
    if (!watermark.ok() || !*watermark) return false;
    const TimestampMicros told = (*watermark)->stamp.window_to;
    if (told != held_[*after->current_snapshot_id].watermark) return false;
    return !delivered_again_ || told == held_[*metadata.current_snapshot_id].watermark;
  }

  void CleanCycle() override {
    Learn();
    const std::optional<TimestampMicros> before = Watermark();
    FaultList none;
    auto done = OffloadProcess(place_, none).Run();
    Say("clean cycle");
    ASSERT_TRUE(done.ok()) << done.status().ToString() << Story();
    Learn();
    ExpectSettled(before ? *before - lookback_ : INT64_MIN);
  }

  // After a cycle that nothing disturbed, cold has what hot has as far as it looks back.
  void ExpectSettled(TimestampMicros looked_from) {
    auto metadata = Metadata();
    if (now() <= kModelNoon && (!metadata || !metadata->CurrentSnapshot())) return;
    ASSERT_TRUE(metadata && metadata->CurrentSnapshot()) << Story();
    const Held& held = held_[*metadata->current_snapshot_id];
    ASSERT_EQ(held.watermark, now()) << Story();
    for (const SourceRow& row : place_.source.NewestVersions()) {
      if (row.ts > now() || row.ts <= looked_from) continue;
      const auto found = held.rows.find(row.id);
      if (row.deleted) {
        ASSERT_TRUE(found == held.rows.end()) << "row " << row.id << " is deleted in hot" << Story();
        continue;
      }
      ASSERT_TRUE(found != held.rows.end()) << "row " << row.id << " is missing" << Story();
      if (!merges()) continue;
      ASSERT_TRUE(found->second.ts == row.ts && found->second.symbol == row.symbol)
          << "row " << row.id << " is an older version: cold has " << found->second.symbol << " at "
          << found->second.ts - kModelNoon << ", hot " << row.symbol << " at " << row.ts - kModelNoon << Story();
    }
  }

  // --- the model

  void Learn() override {
    auto metadata = Metadata();
    if (!metadata) return;
    std::vector<const iceberg::Snapshot*> news;
    for (const iceberg::Snapshot& snapshot : metadata->snapshots) {
      if (!held_.contains(snapshot.snapshot_id)) news.push_back(&snapshot);
    }
    std::sort(news.begin(), news.end(), [](auto* a, auto* b) { return a->sequence_number < b->sequence_number; });
    for (const iceberg::Snapshot* snapshot : news) {
      if (!testing::Test::HasFailure()) LearnOne(*metadata, *snapshot);
    }
  }

  void LearnOne(const iceberg::TableMetadata& metadata, const iceberg::Snapshot& snapshot) {
    Held before;
    if (snapshot.parent_snapshot_id) {
      ASSERT_TRUE(held_.contains(*snapshot.parent_snapshot_id)) << Story();
      before = held_[*snapshot.parent_snapshot_id];
    }
    Held& held = held_[snapshot.snapshot_id];
    held.watermark = before.watermark;
    auto to = snapshot.summary.find("calve.window-to");
    if (to != snapshot.summary.end()) held.watermark = *ParseTimestamp(to->second);
    ReadRows(metadata, snapshot.snapshot_id, held);
    // What was there stays, unless hot deleted it.
    for (const auto& [id, row] : before.rows) {
      ASSERT_TRUE(held.rows.contains(id) || versions_[id].deleted) << "row " << id << " went" << Story();
    }
    if (!held.watermark || held.watermark == before.watermark) return;
    for (const auto& [id, versions] : versions_) {
      const TimestampMicros first = versions.rows.front().ts, last = versions.rows.back().ts;
      const bool due = versions.timely && !versions.deleted && first > forgotten_to_ && last <= *held.watermark &&
                       (!before.watermark || first > *before.watermark);
      ASSERT_TRUE(!due || held.rows.contains(id)) << "row " << id << " is not in its window" << Story();
    }
  }

  // Each id once, and as it was inserted some time, no later than the watermark.
  void ReadRows(const iceberg::TableMetadata& metadata, int64_t snapshot_id, Held& held) {
    auto files = table::ListDataFiles(place_.file_io, metadata, snapshot_id);
    ASSERT_TRUE(files.ok()) << files.status().ToString() << Story();
    for (const iceberg::DataFile& file : *files) {
      auto [cached, fresh] = rows_of_.try_emplace(file.file_path);
      if (fresh) cached->second = ReadDataFile(place_.file_io, file.file_path);
      for (const ColdRow& row : cached->second) {
        ASSERT_TRUE(held.rows.emplace(row.id, row).second) << "row " << row.id << " is there twice" << Story();
        ASSERT_TRUE(held.watermark && row.ts <= *held.watermark) << "row " << row.id << " came too early" << Story();
        const auto& versions = versions_[row.id].rows;
        ASSERT_TRUE(std::any_of(versions.begin(), versions.end(),
                                [&](const SourceRow& version) {
                                  return !version.deleted && version.ts == row.ts && version.symbol == row.symbol;
                                }))
            << "row " << row.id << " was never so" << Story();
      }
    }
  }

  const Rows rows_;
  const int64_t lookback_;
  int64_t last_id_ = 0;
  TimestampMicros forgotten_to_ = INT64_MIN;
  bool delivered_again_ = false;
  std::map<int64_t, Versions> versions_;
  std::map<int64_t, Held> held_;
  std::map<std::string, std::vector<ColdRow>> rows_of_;
};

TEST(ChangingRowsModel, HoldsThroughRandomSequences) {
  RunWorlds(kModelStepsUsual,
            [](CatalogKind kind, uint64_t seed) { return std::make_unique<ChangingWorld>(kind, seed); });
}

}  // namespace
}  // namespace calve::offload
