// Random graphs, watermarks, failures and numbers of threads. The invariant (DESIGN §5): no window is asked for that
// passes the watermark of a table that its own comes after, as it is at that moment, and nothing that comes after a
// failed table is called at all.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "calve/cycle/cycle.h"
#include "calve/cycle/testing_cycle_work.h"
#include "calve/schedule/testing_time.h"

namespace calve::cycle {
namespace {

using schedule::TableState;

struct World {
  explicit World(uint64_t seed) : random(seed) {
    const size_t n = 1 + Below(10), density = 1 + Below(5);
    std::vector<size_t> shuffled(n);  // so that parents also stand behind their children in the file
    for (size_t i = 0; i < n; ++i) shuffled[i] = i;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    std::vector<TableLine> lines(n);
    for (size_t i = 0; i < n; ++i) lines[i].name = Name(i);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (Below(6) >= density) continue;
        std::string& after = lines[shuffled[i]].after;
        after += (after.empty() ? "" : ", ") + Name(shuffled[j]);
      }
    }
    config = ConfigOf(lines, fmt::format("tables: {}", 1 + Below(4)));
    work.now = 1000;
    for (size_t i = 0; i < n; ++i) {
      if (Below(4) > 0) work.SetWatermark(Name(i), std::optional<TimestampMicros>(static_cast<int64_t>(Below(1200))));
      if (Below(9) == 0) work.SetWatermark(Name(i), MakeError(ErrorKind::kRetry, "no answer"));
      SetFate(i, Below(8));
      if (Below(4) > 0) options.tables.push_back(i);
    }
    if (Below(3) == 0) options.until = static_cast<int64_t>(Below(1200));
    options.dry_run = Below(4) == 0;
  }

  size_t Below(size_t n) { return random() % n; }
  static std::string Name(size_t i) { return fmt::format("t{}", i); }

  void SetFate(size_t table, size_t fate) {
    const std::string name = Name(table);
    if (fate == 0) work.Fail(name);
    if (fate == 1) {
      work.answers[name] = [](const auto& request) {
        offload::OffloadResult result;
        result.table = request.source_table;
        result.held_by.emplace();
        return result;
      };
    }
    if (fate == 2) {  // only so far: a chunk
      const auto to = static_cast<TimestampMicros>(Below(1000));
      work.answers[name] = [this, to](offload::OffloadRequest request) {
        request.until = std::min(to, request.until.value_or(to));
        return work.Move(request);
      };
    }
  }

  // All that it comes after, directly or not, as far as that is in the cycle.
  std::set<std::string> Above(const std::string& name) const {
    std::set<std::string> above;
    const auto table = std::ranges::find(config.tables, name, &config::TableConfig::name);
    for (const std::string& parent : table->after) {
      above.insert(parent);
      above.merge(Above(parent));
    }
    return above;
  }

  // With the lock of `work` held.
  void CheckCall(const offload::OffloadRequest& request) {
    const auto table = std::ranges::find(config.tables, request.source_table, &config::TableConfig::name);
    for (const std::string& parent : table->after) {
      if (options.dry_run) continue;  // its parents' watermarks do not move
      const auto mark = work.MarkOf("cold." + parent);
      ASSERT_TRUE(mark.ok() && *mark) << parent << " has none";
      ASSERT_TRUE(request.until) << request.source_table;
      EXPECT_LE(*request.until, **mark) << request.source_table << " passes " << parent;
    }
    if (options.until) {
      ASSERT_TRUE(request.until);
      EXPECT_LE(*request.until, *options.until);
    }
    EXPECT_EQ(request.dry_run, options.dry_run);
  }

  std::mt19937_64 random;
  config::Config config;
  CycleOptions options;
  FakeWork work;
};

void CheckReport(const World& world, const CycleReport& report) {
  std::set<std::string> bad, called;
  for (const TableReport& table : report.tables) {
    const bool blocks = table.outcome.state == TableState::kSkipped && table.outcome.blocks;
    if (table.outcome.state == TableState::kFailed || blocks) bad.insert(table.name);
  }
  for (const std::string& name : world.work.called()) {
    EXPECT_TRUE(called.insert(name).second) << name << " was called twice";
    for (const std::string& parent : world.Above(name)) EXPECT_FALSE(bad.contains(parent)) << parent << ", " << name;
  }
  ASSERT_EQ(report.tables.size(), world.options.tables.size());
  for (size_t i = 0; i < report.tables.size(); ++i) {
    const TableReport& table = report.tables[i];
    EXPECT_EQ(table.name, World::Name(world.options.tables[i]));
    EXPECT_EQ(table.outcome.state == TableState::kSkipped, !table.outcome.reason.empty());
    EXPECT_EQ(table.outcome.state == TableState::kFailed, !table.outcome.status.ok());
    EXPECT_TRUE(table.outcome.state != TableState::kDone || called.contains(table.name));
    // Nobody is left out without a reason: an unreadable or missing watermark, a failure, something bad above.
    if (!called.contains(table.name) && table.outcome.state == TableState::kSkipped) {
      EXPECT_NE(table.outcome.reason.find("it comes after t"), std::string::npos) << table.outcome.reason;
    }
  }
}

TEST(RandomCycles, NoWindowPassesAParentsWatermark) {
  const schedule::FakeClock clock(0);
  const StopToken stop;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    world.work.on_call = [&](const auto& request) { world.CheckCall(request); };
    FakeReporter reporter(world.config);
    const CycleReport report = RunCycle(world.config, world.options, world.work, stop, clock, reporter);
    CheckReport(world, report);
    EXPECT_EQ(reporter.ended.size(), report.tables.size());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace calve::cycle
