// The part of the conformance suite that races commits and breaks what is below them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <thread>

#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/storage/testing_child_process.h"

namespace calve::catalog {

using iceberg::TableMetadata;
using storage::FaultAction;
using ::testing::ElementsAre;

namespace {

void ExpectExactly(const TableMetadata& metadata, const std::vector<int64_t>& committed) {
  if (metadata.HidesHistory()) {  // that none was lost is told by the sequence number, which only ever rises by one
    EXPECT_THAT(committed, ::testing::Contains(*metadata.current_snapshot_id));
    EXPECT_EQ(static_cast<size_t>(metadata.last_sequence_number), committed.size());
    return;
  }
  std::vector<int64_t> chain = SnapshotChain(metadata);
  std::set<int64_t> distinct(chain.begin(), chain.end());
  EXPECT_EQ(chain.size(), committed.size());
  EXPECT_EQ(distinct, std::set<int64_t>(committed.begin(), committed.end()));
  EXPECT_EQ(metadata.snapshots.size(), committed.size());
}

TEST_P(CatalogConformance, OfThreadsThatRaceToCreateOneWins) {
  for (int round = 0; round < 5; ++round) {
    TableIdent ident{{"cold"}, "t" + std::to_string(round)};
    std::vector<Status> outcomes(8);
    std::vector<std::string> uuids(8);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        std::unique_ptr<Catalog> own = i % 2 ? place_->Open() : nullptr;
        auto created = (own ? *own : *catalog_).CreateTable(ident, TradesRequest());
        outcomes[i] = created.status();
        if (created.ok()) uuids[i] = created->metadata.table_uuid;
      });
    }
    for (std::thread& thread : threads) thread.join();
    int won = 0;
    for (size_t i = 0; i < 8; ++i) {
      if (outcomes[i].ok()) {
        ++won;
        EXPECT_EQ(catalog_->LoadTable(ident)->metadata.table_uuid, uuids[i]);
      } else {
        EXPECT_EQ(KindOf(outcomes[i]), ErrorKind::kAlreadyExists) << outcomes[i].ToString();
      }
    }
    EXPECT_EQ(won, 1);
  }
}

// With old versions deleted at once the race is hardest: names of versions become free again.
TEST_P(CatalogConformance, CommitsOfRacingThreadsLandExactlyOnce) {
  for (bool delete_old : {false, true}) {
    TableIdent ident{{"cold"}, delete_old ? "deleting" : "keeping"};
    CreateTableRequest request = TradesRequest();
    if (delete_old) {
      request.properties["write.metadata.delete-after-commit.enabled"] = "true";
      request.properties["write.metadata.previous-versions-max"] = "1";
    }
    ASSERT_TRUE(catalog_->CreateTable(ident, request).ok());
    std::vector<int64_t> all = FirstSnapshots(ident);
    std::vector<std::vector<int64_t>> landed(8);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        std::unique_ptr<Catalog> own = i % 2 ? place_->Open() : nullptr;
        for (int n = 0; n < 5; ++n) {
          auto id = AppendRetrying(own ? *own : *catalog_, ident);
          EXPECT_TRUE(id.ok()) << id.status().ToString();
          if (id.ok()) landed[i].push_back(*id);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& ids : landed) all.insert(all.end(), ids.begin(), ids.end());
    ExpectExactly(place_->Open()->LoadTable(ident)->metadata, all);
    EXPECT_GE(all.size(), 40u);
  }
}

TEST_P(CatalogConformance, CommitsOfRacingProcessesLandExactlyOnce) {
  catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  std::vector<int64_t> all = FirstSnapshots(ident_);
  std::vector<int> codes = storage::RunChildren(4, [&](int child) {
    std::string ids;
    auto own = place_->Open();
    for (int n = 0; n < 6; ++n) {
      auto id = AppendRetrying(*own, ident_);
      if (!id.ok()) {
        fmt::print(stderr, "{}\n", id.status().ToString());
        return 1;
      }
      ids += std::to_string(*id) + "\n";
    }
    return storage::LocalFileIO().WriteNew(place_->dir.path() + "/ids" + std::to_string(child), ids).ok() ? 0 : 2;
  });
  EXPECT_THAT(codes, ElementsAre(0, 0, 0, 0));
  for (int child = 0; child < 4; ++child) {
    std::string ids = storage::LocalFileIO().Read(place_->dir.path() + "/ids" + std::to_string(child)).ValueOrDie();
    for (size_t at = 0; at < ids.size(); at = ids.find('\n', at) + 1) all.push_back(std::stoll(ids.substr(at)));
  }
  EXPECT_GE(all.size(), 24u);
  ExpectExactly(catalog_->LoadTable(ident_)->metadata, all);
}

// --- faults

// What the catalog said, against what is there.
void ExpectTruth(const Status& said, bool is_in, const std::string& where) {
  if (KindOf(said) == ErrorKind::kUnknownOutcome) return;
  EXPECT_EQ(said.ok(), is_in) << where << ": " << said.ToString();
}

TEST_P(FaultyFileConformance, WhateverFileOperationFailsTheAnswerIsTrue) {
  for (FaultAction action : {FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    for (int nth = 0;; ++nth) {
      TableIdent ident{{"cold"}, fmt::format("t{}{}", action == FaultAction::kFailAfter ? "after" : "before", nth)};
      LoadedTable base = catalog_->CreateTable(ident, TradesRequest()).ValueOrDie();
      TestAppend append = AppendOn(base.metadata);
      int hits = place_->faults.HitCount();
      place_->faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
      Status said = catalog_->CommitTable(ident, append.requirements, append.updates).status();
      place_->faults.Clear();
      bool hit = place_->faults.HitCount() > hits;
      std::string where = fmt::format("operation {} of {}", nth, ident.name);
      auto loaded = place_->Open()->LoadTable(ident);
      ASSERT_TRUE(loaded.ok()) << where << ": " << loaded.status().ToString();
      ExpectTruth(said, loaded->metadata.FindSnapshot(append.snapshot_id) != nullptr, where);
      EXPECT_TRUE(AppendRetrying(*catalog_, ident).ok()) << where;
      if (!hit) {
        EXPECT_TRUE(said.ok());
        EXPECT_GT(nth, 1);
        break;
      }
    }
  }
}

TEST_P(FaultyFileConformance, WhateverFileOperationFailsInCreateTheAnswerIsTrue) {
  for (FaultAction action : {FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    for (int nth = 0;; ++nth) {
      TableIdent ident{{"cold"}, fmt::format("t{}{}", action == FaultAction::kFailAfter ? "after" : "before", nth)};
      int hits = place_->faults.HitCount();
      place_->faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
      Status said = catalog_->CreateTable(ident, TradesRequest()).status();
      place_->faults.Clear();
      bool is_in = place_->Open()->LoadTable(ident).ok();
      ExpectTruth(said, is_in, ident.name);
      Status again = catalog_->CreateTable(ident, TradesRequest()).status();
      EXPECT_EQ(is_in, KindOf(again) == ErrorKind::kAlreadyExists) << ident.name;
      EXPECT_EQ(is_in, !again.ok()) << ident.name;
      if (place_->faults.HitCount() == hits) {
        EXPECT_TRUE(said.ok());
        break;
      }
    }
  }
}

TEST_P(FaultyFileConformance, AProcessThatDiesAtAnyFileOperationLeavesTheTableBeforeOrAfterItsCommit) {
  for (FaultAction action : {FaultAction::kDieBefore, FaultAction::kDieAfter}) {
    bool died = true;
    for (int nth = 0; died; ++nth) {
      TableIdent ident{{"cold"}, fmt::format("t{}{}", action == FaultAction::kDieAfter ? "after" : "before", nth)};
      LoadedTable base = catalog_->CreateTable(ident, TradesRequest()).ValueOrDie();
      TestAppend append = AppendOn(base.metadata);
      int code = storage::WaitForChild(storage::StartChild([&] {
        place_->faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
        return place_->Open()->CommitTable(ident, append.requirements, append.updates).ok() ? 0 : 1;
      }));
      died = code == storage::kDiedByFault;
      ASSERT_TRUE(died || code == 0) << code;
      auto loaded = place_->Open()->LoadTable(ident);
      ASSERT_TRUE(loaded.ok()) << ident.name << ": " << loaded.status().ToString();
      size_t snapshots = loaded->metadata.snapshots.size();
      EXPECT_LE(snapshots, 1u);
      EXPECT_TRUE(died || snapshots == 1);
      ASSERT_TRUE(AppendRetrying(*catalog_, ident).ok());
      EXPECT_EQ(SnapshotChain(catalog_->LoadTable(ident)->metadata).size(), snapshots + 1);
    }
  }
}

}  // namespace
}  // namespace calve::catalog
