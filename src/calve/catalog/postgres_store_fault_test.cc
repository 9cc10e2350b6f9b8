// What becomes of a catalog whose server goes away, in all the ways in which servers do: what is said for certain is
// so, nothing hangs, and no file is deleted that a commit may refer to.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "calve/catalog/postgres_store.h"
#include "calve/catalog/sql_catalog.h"
#include "calve/catalog/testing_postgres_place.h"
#include "calve/postgres/testing_cutting_proxy.h"

namespace calve::catalog {
namespace {

using postgres::Cut;
using postgres::PostgresServer;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using ::testing::AnyOf;
using ::testing::HasSubstr;

const SqlTableName kTrades{"cold", "trades"};

class PostgresRealServerFault : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::Get()) GTEST_SKIP() << "there is no PostgreSQL on this machine";
    place_ = std::make_unique<PostgresPlace>(*PostgresServer::Get());
    options_.uri = place_->uri + "&application_name=" + Name();
  }
  static std::string Name() { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }
  PostgresServer& server() { return place_->server; }
  std::unique_ptr<PostgresStore> Store() { return PostgresStore::Make(options_, "calve").ValueOrDie(); }
  std::unique_ptr<Catalog> OpenCatalogOn(std::unique_ptr<SqlStore> store) {
    return std::make_unique<SqlCatalog>(std::move(store), place_->warehouse(), place_->local, place_->clock);
  }
  // The process that serves the store.
  std::string Session() {
    return server().Execute("SELECT pid FROM pg_stat_activity WHERE application_name = left('" + Name() + "', 63)");
  }
  // In which file the table is, by a connection of its own.
  std::string Location() { return place_->Sql("SELECT metadata_location FROM iceberg_tables"); }
  size_t Files() { return place_->local.List(place_->warehouse()).ValueOrDie().size(); }

  std::unique_ptr<PostgresPlace> place_;
  postgres::ConnectOptions options_;
  const TableIdent ident_{{"cold"}, "trades"};
};

// Every call, each on a connection that is gone.
TEST_F(PostgresRealServerFault, ALostConnectionIsMadeAnew) {
  auto store = Store();
  auto cut = [&] { server().Execute("SELECT pg_terminate_backend(" + Session() + ", 5000)"); };
  ASSERT_TRUE(store->ListNamespaces().ok());
  for (int i = 0; i < 2; ++i) {
    cut();
    ASSERT_TRUE(store->InsertTable(kTrades, "a").ok());
    cut();
    EXPECT_EQ(store->FindTable(kTrades).ValueOrDie()->metadata_location, "a");
    cut();
    EXPECT_TRUE(store->SwapMetadata(kTrades, "a", "b").ok());
    cut();
    EXPECT_EQ(store->ListTables("cold").ValueOrDie().size(), 1u);
    cut();
    EXPECT_EQ(store->ListNamespaces().ValueOrDie().size(), 1u);
    cut();
    EXPECT_TRUE(store->DeleteTable(kTrades).ok());
  }
}

TEST_F(PostgresRealServerFault, ARestartBetweenCallsIsNotNoticed) {
  auto catalog = place_->Open();
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  for (int signal : {SIGINT, SIGQUIT, SIGKILL}) {
    LoadedTable before = SetProperty(*catalog, ident_, "k", std::to_string(signal)).ValueOrDie();
    server().Stop(signal);
    server().Start();
    auto after = catalog->LoadTable(ident_);
    ASSERT_TRUE(after.ok()) << signal << ": " << after.status().ToString();
    EXPECT_EQ(after->metadata_location, before.metadata_location) << "a commit that was confirmed outlives its server";
    server().Stop(signal);
    server().Start();
    EXPECT_TRUE(SetProperty(*catalog, ident_, "k", "after").ok());
  }
}

TEST_F(PostgresRealServerFault, AServerThatIsDownIsToldAtOnceAndTriedAgain) {
  auto catalog = place_->Open();
  LoadedTable base = catalog->CreateTable(ident_, TradesRequest()).ValueOrDie();
  const size_t files = Files();
  server().Stop();
  auto began = Steady::now();
  for (const Status& status : {catalog->LoadTable(ident_).status(), SetProperty(*catalog, ident_, "k", "v").status(),
                               catalog->CreateTable({{"cold"}, "other"}, TradesRequest()).status(),
                               place_->Open()->ListNamespaces().status()}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr("postgresql://"));
  }
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(Files(), files);
  server().Start();
  EXPECT_EQ(catalog->LoadTable(ident_)->metadata_location, base.metadata_location);
  EXPECT_TRUE(SetProperty(*catalog, ident_, "k", "v").ok());
}

// Down from the moment on in which the new metadata is written: certain, and the file goes.
TEST_F(PostgresRealServerFault, AServerThatGoesDownBeforeTheSwapLeavesNoFile) {
  auto catalog = OpenCatalogOn(Store());
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  const size_t files = Files();
  struct Stopping : Clock {
    TimestampMicros Now() const override {
      if (PostgresServer* running = std::exchange(server, nullptr)) running->Stop(SIGQUIT);
      return SystemClock().Now();
    }
    mutable PostgresServer* server;
  } stopping;
  stopping.server = &server();
  SqlCatalog stopped(Store(), place_->warehouse(), place_->local, stopping);
  EXPECT_EQ(KindOf(SetProperty(stopped, ident_, "k", "v").status()), ErrorKind::kRetry);
  EXPECT_EQ(Files(), files);
  server().Start();
  EXPECT_TRUE(SetProperty(*catalog, ident_, "k", "v").ok());
}

// Each request of each change, cut in each way: what is said for certain is so.
TEST_F(PostgresRealServerFault, WhereverTheConnectionIsCutTheAnswerIsTrue) {
  auto direct = Store();
  postgres::CuttingProxy proxy(server().folder());
  options_.uri = server().UriAt(proxy.folder(), place_->Sql("SELECT current_schema()"));
  int unknown = 0, done_again = 0, requests[3] = {};
  for (Cut cut : {Cut::kBefore, Cut::kAfter, Cut::kSilentBefore, Cut::kSilentAfter}) {
    const bool silent = cut == Cut::kSilentBefore || cut == Cut::kSilentAfter;
    if (silent) options_.answer_timeout_ms = 90;
    for (int change = 0; change < 3; ++change) {
      bool was_cut = true;
      for (int nth = 0; silent ? nth < requests[change] : was_cut; ++nth) {
        auto store = Store();
        static_cast<void>(store->ListNamespaces());  // connects
        static_cast<void>(direct->DeleteTable(kTrades));
        ASSERT_TRUE(change == 0 || direct->InsertTable(kTrades, "a").ok());
        proxy.CutAt(nth, cut);
        Status said = change == 0   ? store->InsertTable(kTrades, "a")
                      : change == 1 ? store->SwapMetadata(kTrades, "a", "b")
                                    : store->DeleteTable(kTrades);
        was_cut = proxy.HasCut();
        proxy.Clear();
        auto row = direct->FindTable(kTrades).ValueOrDie();
        const bool is_in = change == 0 ? row.has_value() : change == 1 ? row && row->metadata_location == "b" : !row;
        const std::string where =
            fmt::format("cut {}, change {}, request {}: {}", static_cast<int>(cut), change, nth, said.ToString());
        if (KindOf(said) == ErrorKind::kUnknownOutcome) {
          ++unknown;
        } else {
          EXPECT_EQ(said.ok(), is_in) << where;
          EXPECT_TRUE(said.ok() || KindOf(said) == ErrorKind::kRetry) << where;
          done_again += said.ok() && was_cut ? 1 : 0;
        }
        EXPECT_TRUE(was_cut || silent || said.ok()) << where;
        requests[change] = std::max(requests[change], nth);
      }
    }
  }
  EXPECT_THAT(requests, ::testing::ElementsAre(8, 4, 4));
  EXPECT_GE(unknown, 2 * 3) << "the answer to COMMIT";
  EXPECT_GT(done_again, 10) << "what was cut before is done again, once";
}

// The commit's answer is lost: the catalog looks, and says what it sees; the file stays where it sees nothing.
TEST_F(PostgresRealServerFault, ACommitWithoutAnAnswerIsLookedFor) {
  auto direct = place_->Open();
  ASSERT_TRUE(direct->CreateTable(ident_, TradesRequest()).ok());
  postgres::CuttingProxy proxy(server().folder());
  options_.uri = server().UriAt(proxy.folder(), place_->Sql("SELECT current_schema()"));
  auto catalog = OpenCatalogOn(Store());
  constexpr int kRequests = 3 + 4;  // BEGIN, layout and SELECT, COMMIT to load; BEGIN, layout, UPDATE, COMMIT to swap
  constexpr int kCommit = kRequests;
  ASSERT_TRUE(catalog->LoadTable(ident_).ok());
  proxy.CutAt(kCommit, Cut::kAfter);
  auto said = SetProperty(*catalog, ident_, "k", "1");
  EXPECT_TRUE(proxy.HasCut());
  ASSERT_TRUE(said.ok()) << said.status().ToString();
  EXPECT_EQ(direct->LoadTable(ident_)->metadata.Property("k", ""), "1");
  const size_t files = Files();
  proxy.CutAt(kCommit, Cut::kBefore);
  said = SetProperty(*catalog, ident_, "k", "2");
  EXPECT_TRUE(proxy.HasCut());
  EXPECT_EQ(KindOf(said.status()), ErrorKind::kUnknownOutcome) << said.status().ToString();
  EXPECT_EQ(direct->LoadTable(ident_)->metadata.Property("k", ""), "1");
  EXPECT_EQ(Files(), files + 1) << "nothing is deleted that may be referred to";
  EXPECT_TRUE(SetProperty(*catalog, ident_, "k", "3").ok());
}

// Its machine hangs: connections stay open, and nothing comes.
TEST_F(PostgresRealServerFault, AServerThatGivesNoAnswerIsGivenUpInTime) {
  options_.answer_timeout_ms = 300;
  auto store = Store();
  ASSERT_TRUE(store->InsertTable(kTrades, "a").ok());
  const std::string session = Session();
  PostgresServer::SignalSession(session, SIGSTOP);
  auto began = Steady::now();
  Status status = store->SwapMetadata(kTrades, "a", "b");
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("no answer within 300 ms"));
  EXPECT_LT(Steady::now() - began, milliseconds(3000));
  EXPECT_TRUE(store->SwapMetadata(kTrades, "a", "c").ok()) << "over a new connection";
  PostgresServer::SignalSession(session, SIGCONT);
  EXPECT_TRUE(store->SwapMetadata(kTrades, "c", "d").ok()) << "what was given up does not come late";
}

TEST_F(PostgresRealServerFault, ALockThatAnotherSessionHoldsIsWaitedForWithinLimits) {
  options_.answer_timeout_ms = 3000;
  auto catalog = OpenCatalogOn(Store());
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  const size_t files = Files();
  postgres::ConnectOptions other;
  other.uri = place_->uri;
  auto holder = postgres::Connection::Open(other).ValueOrDie();
  ASSERT_TRUE(holder.Execute("BEGIN; SELECT * FROM iceberg_tables FOR UPDATE").ok());
  auto began = Steady::now();
  Status status = SetProperty(*catalog, ident_, "k", "v").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_THAT(RemedyOf(status), HasSubstr("lock"));
  EXPECT_LT(Steady::now() - began, milliseconds(2900)) << "the server gives up first";
  EXPECT_EQ(Files(), files);
  ASSERT_TRUE(holder.Execute("COMMIT").ok());
  EXPECT_TRUE(SetProperty(*catalog, ident_, "k", "v").ok()) << "the session goes on";
}

// Writers at work while the server is stopped, killed and started: each commit that was confirmed is there, once, and
// none that was refused.
TEST_F(PostgresRealServerFault, KilledInTheMiddleNoConfirmedCommitIsLost) {
  ASSERT_TRUE(place_->Open()->CreateTable(ident_, TradesRequest()).ok());
  std::atomic<bool> stop = false;
  std::vector<std::set<int64_t>> certain(3), unknown(3);
  std::vector<std::thread> writers;
  for (size_t i = 0; i < 3; ++i) {
    writers.emplace_back([&, i] {
      auto catalog = place_->Open();
      while (!stop) {
        auto base = catalog->LoadTable(ident_);
        if (!base.ok()) {
          EXPECT_EQ(KindOf(base.status()), ErrorKind::kRetry) << base.status().ToString();
          std::this_thread::sleep_for(milliseconds(5));
          continue;
        }
        TestAppend append = AppendOn(base->metadata);
        Status said = catalog->CommitTable(ident_, append.requirements, append.updates).status();
        if (said.ok()) certain[i].insert(append.snapshot_id);
        if (KindOf(said) == ErrorKind::kUnknownOutcome) unknown[i].insert(append.snapshot_id);
        EXPECT_TRUE(said.ok() || KindOf(said) == ErrorKind::kRetry || KindOf(said) == ErrorKind::kConflict ||
                    KindOf(said) == ErrorKind::kUnknownOutcome)
            << said.ToString();
      }
    });
  }
  for (int signal : {SIGINT, SIGQUIT, SIGKILL, SIGKILL}) {
    std::this_thread::sleep_for(milliseconds(200));
    server().Stop(signal);
    server().Start();
  }
  std::this_thread::sleep_for(milliseconds(100));
  stop = true;
  for (std::thread& writer : writers) writer.join();
  std::set<int64_t> in, confirmed, possible;
  for (int64_t id : SnapshotChain(place_->Open()->LoadTable(ident_)->metadata)) EXPECT_TRUE(in.insert(id).second);
  for (size_t i = 0; i < 3; ++i) {
    confirmed.insert(certain[i].begin(), certain[i].end());
    possible.insert(unknown[i].begin(), unknown[i].end());
  }
  for (int64_t id : confirmed) EXPECT_TRUE(in.contains(id)) << "a confirmed commit is lost";
  for (int64_t id : in) EXPECT_TRUE(confirmed.contains(id) || possible.contains(id)) << "one that was refused is in";
  EXPECT_GT(confirmed.size(), 5u);
}

}  // namespace
}  // namespace calve::catalog
