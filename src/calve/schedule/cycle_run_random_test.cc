// Random graphs, outcomes, limits and stops: each table runs behind its parents, once, or is skipped for a true reason.
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "calve/schedule/cycle_run.h"
#include "calve/schedule/testing_cycle.h"
#include "calve/schedule/testing_time.h"

namespace calve::schedule {
namespace {

using Event = CycleRecord::Event;

struct World {
  TableGraph graph;
  std::vector<CycleTable> tables;
  CycleLimits limits;
  std::vector<int> fates;  // what the function does: 0 to 3 done, 4 fails, 5 throws, 6 skips, 7 skips and blocks
  std::optional<size_t> stops_at;  // the table that requests a stop

  explicit World(uint64_t seed) {
    std::mt19937_64 random(seed);
    size_t n = 1 + random() % 12, density = 1 + random() % 5;
    std::vector<size_t> shuffled(n);  // so that the given order is not one that the graph allows
    for (size_t i = 0; i < n; ++i) shuffled[i] = i;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    std::vector<TableNode> nodes(n);
    for (size_t i = 0; i < n; ++i) nodes[i].name = std::to_string(i);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (random() % 6 < density) nodes[shuffled[i]].after.push_back(std::to_string(shuffled[j]));
      }
    }
    graph = TableGraph::Make(nodes).ValueOrDie();
    limits = {.parallel = random() % 5, .memory_bytes = random() % 2 ? 100 : 0};
    tables.resize(n);
    for (CycleTable& table : tables) {
      table.memory_bytes = static_cast<int64_t>(random() % 140);
      table.expected_micros = static_cast<int64_t>(random() % 3);
      if (random() % 12 == 0) table.skip = "aside";
      fates.push_back(static_cast<int>(random() % 8));
      if (random() % 3 == 0) fates.back() = 0;
    }
    if (random() % 4 == 0) stops_at = random() % n;
  }

  TableOutcome OutcomeOf(size_t table) const {
    switch (fates[table]) {
      case 4:
        return TableOutcome::Failed(MakeError(ErrorKind::kFailed, "broken"));
      case 5:
        throw std::runtime_error("thrown");
      case 6:
        return TableOutcome::Skipped("busy", false);
      case 7:
        return TableOutcome::Skipped("no", true);
      default:
        return TableOutcome::Done();
    }
  }

  bool Blocks(size_t table) const {
    return tables[table].skip || fates[table] == 4 || fates[table] == 5 || fates[table] == 7;
  }
  // Whether something above blocks it; `table` itself not looked at.
  bool Blocked(size_t table) const {
    for (size_t parent : graph.parents(table)) {
      if (Blocks(parent) || Blocked(parent)) return true;
    }
    return false;
  }
};

void CheckEvents(const World& world, const CycleRecord& record, const CycleResult& result) {
  std::vector<int> started(world.graph.size()), ended(world.graph.size());
  for (const Event& event : record.events) {
    if (event.kind == Event::kStarted) {
      ++started[event.table];
      for (size_t parent : world.graph.parents(event.table))
        EXPECT_EQ(ended[parent], 1) << "began before its parent ended";
    } else {
      ++ended[event.table];
    }
  }
  for (size_t table = 0; table < world.graph.size(); ++table) {
    EXPECT_EQ(ended[table], 1);
    EXPECT_EQ(started[table] == 1, record.called().contains(table));
    EXPECT_EQ(started[table] == 1, result.tables[table].started.has_value());
    EXPECT_EQ(started[table] == 1, result.tables[table].finished.has_value());
  }
}

void CheckBlockedBy(const World& world, const CycleResult& result, size_t table) {
  const TableResult& blocked = result.tables[table];
  ASSERT_TRUE(blocked.blocked_by.has_value());
  const TableResult& culprit = result.tables[*blocked.blocked_by];
  std::vector<size_t> dependents = world.graph.Dependents(*blocked.blocked_by);
  EXPECT_NE(std::find(dependents.begin(), dependents.end(), table), dependents.end());
  EXPECT_FALSE(culprit.blocked_by.has_value()) << "the first cause is named, not one between";
  EXPECT_TRUE(culprit.state == TableState::kFailed || (culprit.state == TableState::kSkipped && culprit.blocks));
  EXPECT_NE(blocked.reason.find(" " + world.graph.name(*blocked.blocked_by) + ","), std::string::npos)
      << blocked.reason;
}

TEST(CycleRunRandom, EachOnceBehindItsParentsOrSkippedForATrueReason) {
  std::array<size_t, 4> seen{};
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    StopToken stop;
    FakeClock clock(0);
    CycleRecord record(world.graph, world.tables, world.limits);
    CycleResult result = RunCycle(
        world.graph, world.tables, world.limits,
        [&](size_t table) {
          CycleRecord::Visit visit(record, table);
          if (world.stops_at == table) stop.RequestStop();
          return world.OutcomeOf(table);
        },
        stop, clock, &record);
    CheckEvents(world, record, result);
    for (size_t table = 0; table < world.graph.size(); ++table) {
      const TableResult& got = result.tables[table];
      ++seen[static_cast<size_t>(got.state)];
      if (got.blocked_by) {
        CheckBlockedBy(world, result, table);
      } else if (got.state == TableState::kStopped) {
        EXPECT_TRUE(stop.stopped());
        EXPECT_FALSE(record.called().contains(table));
      } else if (world.tables[table].skip) {
        EXPECT_EQ(got.reason, "aside");
      } else {
        EXPECT_TRUE(record.called().contains(table));
        EXPECT_EQ(got.state == TableState::kFailed, world.fates[table] == 4 || world.fates[table] == 5);
        EXPECT_EQ(got.state == TableState::kSkipped, world.fates[table] >= 6);
      }
      // Without a stop it is known beforehand who is blocked: nobody more and nobody less.
      if (!stop.stopped()) {
        EXPECT_EQ(got.blocked_by.has_value(), world.Blocked(table) && !world.tables[table].skip);
      }
    }
    if (testing::Test::HasFailure()) return;
  }
  for (size_t count : seen) EXPECT_GT(count, 100u);
}

}  // namespace
}  // namespace calve::schedule
