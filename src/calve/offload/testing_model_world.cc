#include "calve/offload/testing_model_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "calve/base/random.h"
#include "calve/storage/testing_child_process.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;
using storage::FaultAction;
using storage::FaultList;

constexpr uint64_t kStepsOfAWorld = 80;
constexpr CatalogKind kKinds[] = {CatalogKind::kSql, CatalogKind::kHadoop, CatalogKind::kRest};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

ModelWorld::ModelWorld(CatalogKind kind, uint64_t seed) : place_(kind, dir_.path() + "/w"), random_(seed) {
  std::filesystem::create_directories(place_.folder);
  if (Chance(3)) place_.request.partition_by = {"symbol"};
  if (Chance(2)) place_.request.properties["commit.manifest.min-count-to-merge"] = "3";
  place_.request.properties["commit.retry.num-retries"] = "2";
}

std::optional<iceberg::TableMetadata> ModelWorld::Metadata() {
  auto loaded = place_.OpenCatalog()->LoadTable(place_.request.target);
  if (!loaded.ok()) return std::nullopt;
  return loaded->metadata;
}

Status ModelWorld::Commit(const std::vector<iceberg::TableUpdate>& updates) {
  return place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).status();
}

void ModelWorld::ChangeProperty() {
  Say("property");
  static_cast<void>(Commit({iceberg::SetProperties{{{"owner", fmt::to_string(Below(100))}}}}));
}

// As a compaction: another snapshot with the same rows.
void ModelWorld::ForeignRewrite() {
  auto metadata = Metadata();
  if (!metadata || !metadata->CurrentSnapshot()) return;
  Say("foreign rewrite");
  iceberg::Snapshot snapshot = *metadata->CurrentSnapshot();
  snapshot.parent_snapshot_id = snapshot.snapshot_id;
  snapshot.snapshot_id = RandomPositiveInt64();
  snapshot.sequence_number = metadata->last_sequence_number + 1;
  snapshot.timestamp_ms = std::max(metadata->last_updated_ms, place_.clock.Now() / 1000);
  iceberg::StringMap summary = {{"operation", "replace"}};
  for (const auto& [key, value] : snapshot.summary) {
    if (key != "operation" && !key.starts_with("calve.")) summary.Set(key, value);
  }
  snapshot.summary = std::move(summary);
  Status done = Commit(
      {iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{"main", {snapshot.snapshot_id, true, {}, {}, {}}}});
  ASSERT_TRUE(done.ok()) << done.ToString();
}

// main's ancestors that are still there, the tip first.
std::vector<int64_t> ModelWorld::Ancestors(const iceberg::TableMetadata& metadata) {
  std::vector<int64_t> ids;
  const iceberg::Snapshot* step = metadata.CurrentSnapshot();
  while (step) {
    ids.push_back(step->snapshot_id);
    step = step->parent_snapshot_id ? metadata.FindSnapshot(*step->parent_snapshot_id) : nullptr;
  }
  return ids;
}

void ModelWorld::Rollback() {
  Learn();
  auto metadata = Metadata();
  if (!metadata || !metadata->CurrentSnapshot()) return;
  std::vector<int64_t> ids = Ancestors(*metadata);
  int64_t to = ids[Below(std::min<uint64_t>(ids.size(), 4))];
  std::vector<iceberg::TableUpdate> updates = {iceberg::SetSnapshotRef{"main", {to, true, {}, {}, {}}}};
  if (!Promised(*metadata, updates)) return;
  Say("rollback");
  ASSERT_TRUE(Commit(updates).ok());
}

// As an engine that does not know our tag.
void ModelWorld::Expire() {
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
void ModelWorld::Deliver() {
  if (held_.empty()) return;
  auto held = held_.back();
  held_.pop_back();
  auto inner = place_.OpenCatalog();
  Say(fmt::format("late effect: {}", held.ArriveAt(*inner).ok() ? "in" : "refused"));
}

void ModelWorld::LoseJournal() {
  Say("journal lost");
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(place_.JournalFile() + end);
}

void ModelWorld::Cycle() {
  if (Chance(3)) return CleanCycle();
  BeforeCycle();
  auto action = static_cast<FaultAction>(Below(4));
  auto nth = static_cast<int>(Below(calls_of_a_cycle_));
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
  AfterCycle();
}

void ModelWorld::DisturbedCycle(FaultAction action, int nth) {
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
  for (const std::string& note : process.notes) Say("(" + note + ")");
  if (!done.ok() || !done->snapshot_id) return;
  auto metadata = Metadata();
  EXPECT_TRUE(metadata && metadata->FindSnapshot(*done->snapshot_id)) << "it said that it was in" << Story();
}

// Between a window's plan and the end of its commit: an event, or another calve's whole cycle.
void ModelWorld::Meanwhile() {
  if (!Chance(3)) return Event();
  FaultList none;
  const int64_t lease = place_.request.lease_micros;
  if (Chance(2)) place_.request.lease_micros = 0;  // heeds no lease
  auto done = OffloadProcess(place_, none).Run();
  place_.request.lease_micros = lease;
  Say(fmt::format("another calve: {}", done.ok() ? "ok" : MessageOf(done.status())));
}

void ModelWorld::ExpectFilesThere() {
  std::set<std::string> disk = FilesOnDisk(place_);
  for (const std::string& file : ReferencedFiles(place_.file_io, place_.Load())) {
    EXPECT_TRUE(disk.contains(file)) << "missing " << file << Story();
  }
}

void RunWorlds(uint64_t steps, const std::function<std::unique_ptr<ModelWorld>(CatalogKind, uint64_t seed)>& make) {
  using Steady = std::chrono::steady_clock;
  uint64_t seed = FromEnvironment("CALVE_MODEL_SEED", 20240809);
  const uint64_t seconds = FromEnvironment("CALVE_MODEL_SECONDS", 0);
  steps = seconds > 0 ? UINT64_MAX : FromEnvironment("CALVE_MODEL_STEPS", steps);
  const auto end = Steady::now() + std::chrono::seconds(seconds);
  std::printf("seed %lu\n", seed);
  uint64_t done = 0, worlds = 0;
  for (; done < steps && !testing::Test::HasFailure() && (seconds == 0 || Steady::now() < end); ++seed, ++worlds) {
    SCOPED_TRACE(fmt::format("repeat with CALVE_MODEL_SEED={} CALVE_MODEL_STEPS={}", seed, kStepsOfAWorld));
    auto world = make(kKinds[seed % std::size(kKinds)], seed);
    for (uint64_t step = 0; step < kStepsOfAWorld && !testing::Test::HasFailure(); ++step, ++done) world->Step();
    if (!testing::Test::HasFailure()) world->Finish();
  }
  std::printf("model steps=%lu sequences=%lu\n", done, worlds);
  if (testing::Test::HasFailure()) std::printf("model failed-seed=%lu\n", seed - 1);
}

}  // namespace calve::offload
