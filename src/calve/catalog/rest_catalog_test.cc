#include "calve/catalog/rest_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "calve/catalog/testing_rest_place.h"

namespace calve::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = RestFault::Kind;

// What the two real servers that calve is tried with differ in.
RestServerOptions LikeTheFixture() {
  RestServerOptions options;
  options.separator = "%2E";
  options.takes_idempotency_keys = true;
  options.offers_transactions = true;
  options.page_size = 1;
  return options;
}
RestServerOptions LikeNessie() {
  RestServerOptions options;
  options.prefix = "main%7Cwarehouse";
  options.lists_endpoints = false;
  options.offers_transactions = true;
  return options;
}

const CatalogCase kRestCases[] = {
    CatalogCase{"plain", [] { return std::make_unique<RestPlace>(); }},
    CatalogCase{"like_the_fixture", [] { return std::make_unique<RestPlace>(LikeTheFixture()); }},
    CatalogCase{"like_nessie", [] { return std::make_unique<RestPlace>(LikeNessie()); }}};
INSTANTIATE_TEST_SUITE_P(Rest, CatalogConformance, ::testing::ValuesIn(kRestCases), CatalogCaseName);
INSTANTIATE_TEST_SUITE_P(Rest, TableHistoryConformance, ::testing::ValuesIn(kRestCases), CatalogCaseName);
INSTANTIATE_TEST_SUITE_P(Rest, FaultyFileConformance, ::testing::ValuesIn(kRestCases), CatalogCaseName);

class RestCatalogTest : public ::testing::Test {
 protected:
  explicit RestCatalogTest(RestServerOptions options = {}) : place_(std::move(options)) {
    catalog_ = place_.OpenRest();
    base_ = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  }

  // One append whose request goes wrong so; what was said, and whether it is in.
  struct Outcome {
    Status said;
    bool is_in = false;
    size_t requests = 0;
  };
  Outcome AppendWith(std::vector<RestFault> faults) {
    const TestAppend append = AppendOn(catalog_->LoadTable(ident_)->metadata);
    const size_t before = Commits();
    place_.server.FailChanges(std::move(faults));
    Outcome outcome;
    outcome.said = catalog_->CommitTable(ident_, append.requirements, append.updates).status();
    place_.server.FailChanges({});
    outcome.requests = Commits() - before;
    outcome.is_in = Has(append.snapshot_id);
    last_ = append;
    return outcome;
  }
  bool Has(int64_t snapshot_id) {
    return place_.OpenInner()->LoadTable(ident_)->metadata.FindSnapshot(snapshot_id) != nullptr;
  }
  size_t Commits() const { return place_.server.Seen("POST", "/tables/trades").size(); }

  RestPlace place_;
  const TableIdent ident_{{"cold"}, "trades"};
  std::unique_ptr<RestCatalog> catalog_;
  LoadedTable base_;
  TestAppend last_;
};

struct RestCatalogWithKeysTest : RestCatalogTest {
  RestCatalogWithKeysTest() : RestCatalogTest(LikeTheFixture()) {}
};

TEST_F(RestCatalogTest, WhatIsNotProvenIsUnknownAndIsNotSentAgain) {
  for (const RestFault& fault :
       {RestFault{Kind::kLostRequest}, RestFault{Kind::kLostAnswer}, RestFault{Kind::kCutAnswer},
        RestFault{Kind::kAnswerOnly, 500}, RestFault{Kind::kAnswerAfter, 500}, RestFault{Kind::kAnswerOnly, 502},
        RestFault{Kind::kAnswerAfter, 502}, RestFault{Kind::kAnswerAfter, 503}, RestFault{Kind::kAnswerAfter, 504},
        RestFault{Kind::kAnswerAfter, 503, "", "Retry-After: 0\r\n"}, RestFault{Kind::kAnswerAfter, 501},
        RestFault{Kind::kAnswerAfter, 408}, RestFault{Kind::kAnswerAfter, 460},
        RestFault{Kind::kAnswerAfter, 200, "garbage"}, RestFault{Kind::kAnswerAfter, 200, "{}"},
        RestFault{Kind::kAnswerAfter, 200, ""}, RestFault{Kind::kAnswerAfter, 204, ""},
        RestFault{Kind::kAnswerAfter, 500, R"({"error":{"type":"CommitFailedException"}})"}}) {
    const Outcome outcome = AppendWith({fault});
    EXPECT_EQ(KindOf(outcome.said), ErrorKind::kUnknownOutcome) << fault.status << ": " << outcome.said.ToString();
    EXPECT_EQ(outcome.requests, 1u);
    EXPECT_EQ(outcome.is_in, fault.kind != Kind::kLostRequest && fault.kind != Kind::kAnswerOnly);
  }
}

TEST_F(RestCatalogTest, ARefusalIsProofAndSaysWhatTheServerSaid) {
  struct Case {
    int status;
    const char* type;
    ErrorKind kind;
  };
  for (const Case& c :
       {Case{400, "BadRequestException", ErrorKind::kFailed}, Case{400, "CommitFailedException", ErrorKind::kConflict},
        Case{403, "ForbiddenException", ErrorKind::kConfig}, Case{404, "NoSuchTableException", ErrorKind::kNotFound},
        Case{406, "UnsupportedOperationException", ErrorKind::kUnsupported},
        Case{409, "CommitFailedException", ErrorKind::kConflict}, Case{409, "AnyOther", ErrorKind::kConflict},
        Case{413, "TooLarge", ErrorKind::kFailed}, Case{422, "Unprocessable", ErrorKind::kFailed}}) {
    const std::string body = fmt::format(R"({{"error":{{"type":"{}","message":"because","code":1}}}})", c.type);
    const Outcome outcome = AppendWith({{Kind::kAnswerOnly, c.status, body}});
    EXPECT_EQ(KindOf(outcome.said), c.kind) << c.status << ": " << outcome.said.ToString();
    if (c.status != 404) {
      EXPECT_THAT(MessageOf(outcome.said), HasSubstr("because"));
    }
    EXPECT_THAT(MessageOf(outcome.said), HasSubstr("cold.trades"));
    EXPECT_FALSE(outcome.is_in);
    EXPECT_EQ(outcome.requests, 1u);
  }
}

TEST_F(RestCatalogTest, WhoIsNoCatalogIsNotTakenForOne) {
  const std::string page = "<html>not\nfound \x01\xff" + std::string(10'000, 'x') + "</html>";
  place_.server.SetFaults([&](const http::SeenRequest&) { return RestFault{Kind::kAnswerOnly, 404, page}; });
  const Status status = catalog_->LoadTable(ident_).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << "a 404 of a proxy does not say that there is no table";
  EXPECT_THAT(RemedyOf(status), HasSubstr("/v1"));
  EXPECT_LT(MessageOf(status).size(), 600u);
  EXPECT_THAT(MessageOf(status), Not(HasSubstr("\n")));
  place_.server.SetFaults([](const http::SeenRequest&) {
    return RestFault{Kind::kAnswerOnly, 302, "", "Location: http://elsewhere/\r\n"};
  });
  EXPECT_EQ(KindOf(catalog_->LoadTable(ident_).status()), ErrorKind::kConfig);
  place_.server.SetFaults([](const http::SeenRequest&) {
    return RestFault{Kind::kAnswerOnly, 200, "<html>hello</html>"};
  });
  EXPECT_EQ(KindOf(catalog_->LoadTable(ident_).status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(place_.OpenRest()->ListNamespaces().status()), ErrorKind::kConfig);
}

TEST_F(RestCatalogTest, AnAddressWithoutAConfigurationIsWrong) {
  for (const int status : {400, 405, 406, 404}) {
    auto catalog = place_.OpenRest();
    place_.server.SetFaults([&](const http::SeenRequest&) {
      return RestFault{Kind::kAnswerOnly, status, R"({"error":{"type":"BadRequestException","message":"No route"}})"};
    });
    const Status said = catalog->LoadTable(ident_).status();
    EXPECT_EQ(KindOf(said), ErrorKind::kConfig) << status << ": " << said.ToString();
    EXPECT_FALSE(RemedyOf(said).empty());
  }
}

// 429: the number of requests is refused, not the request.
TEST_F(RestCatalogTest, WhatIsRefusedForItsNumberIsSentAgainLater) {
  const Outcome outcome = AppendWith({{Kind::kAnswerOnly, 429}, {Kind::kAnswerOnly, 429, "", "Retry-After: 1\r\n"}});
  EXPECT_TRUE(outcome.said.ok()) << outcome.said.ToString();
  EXPECT_EQ(outcome.requests, 3u);
  const Outcome never = AppendWith(std::vector<RestFault>(9, {Kind::kAnswerOnly, 429}));
  EXPECT_EQ(KindOf(never.said), ErrorKind::kRetry);
  EXPECT_EQ(never.requests, 3u);
  EXPECT_FALSE(never.is_in);
}

TEST_F(RestCatalogTest, RetryAfterHoldsForAllThatComesNext) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(KindOf(AppendWith({{Kind::kAnswerOnly, 503, "", "Retry-After: 1\r\n"}}).said), ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(catalog_->LoadTable(ident_).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(900));
  AppendWith({{Kind::kAnswerOnly, 503, "", "Retry-After: 3600\r\n"}});
  const TestAppend append = AppendOn(base_.metadata);
  const size_t before = place_.server.seen().size();
  const Status status = catalog_->CommitTable(ident_, append.requirements, append.updates).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << "nothing was sent";
  EXPECT_EQ(place_.server.seen().size(), before);
}

TEST_F(RestCatalogTest, ReadsAreTriedAgain) {
  int failures = 0;
  place_.server.SetFaults([&](const http::SeenRequest& request) {
    if (request.method != "GET" || failures >= 2) return RestFault();
    return ++failures == 1 ? RestFault{Kind::kLostRequest} : RestFault{Kind::kAnswerOnly, 500};
  });
  EXPECT_TRUE(catalog_->LoadTable(ident_).ok());
  EXPECT_EQ(failures, 2);
  place_.server.SetFaults([&](const http::SeenRequest&) { return RestFault{Kind::kAnswerOnly, 503}; });
  const Status status = catalog_->LoadTable(ident_).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(status), HasSubstr("cold.trades"));
}

TEST_F(RestCatalogTest, WhereNobodyListensNothingHappened) {
  RestOptions options = place_.options;
  {
    FakeRestServer gone([] { return nullptr; });
    options.uri = gone.url();
  }
  auto catalog = RestCatalog::Make(options, "", nullptr, place_.clock, place_.stop).ValueOrDie();
  EXPECT_EQ(KindOf(catalog->LoadTable(ident_).status()), ErrorKind::kRetry);
  std::vector<iceberg::TableUpdate> updates{iceberg::SetProperties{{{"k", "v"}}}};
  const Status status = catalog->CommitTable(ident_, {}, updates).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_FALSE(RemedyOf(status).empty());
}

TEST_F(RestCatalogTest, AConflictOfOnesOwnDoingIsNone) {
  const Outcome twice = AppendWith({{Kind::kTwice}});
  EXPECT_TRUE(twice.said.ok()) << "a gateway sent it twice: " << twice.said.ToString();
  EXPECT_TRUE(twice.is_in);
  const TestAppend stale = AppendOn(base_.metadata);
  const Status conflict = catalog_->CommitTable(ident_, stale.requirements, stale.updates).status();
  EXPECT_EQ(KindOf(conflict), ErrorKind::kConflict) << conflict.ToString();
  EXPECT_THAT(SnapshotChain(catalog_->LoadTable(ident_)->metadata), ElementsAre(last_.snapshot_id));
  // Where it cannot be looked for, nothing is proven.
  place_.server.SetFaults([](const http::SeenRequest& request) {
    return request.method == "GET" ? RestFault{Kind::kAnswerOnly, 500} : RestFault();
  });
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, stale.requirements, stale.updates).status()),
            ErrorKind::kUnknownOutcome);
}

// The first of two tries arrived after all. Who is told that the second one is in deletes what the first one wrote.
TEST_F(RestCatalogTest, AnEarlierTryOfTheSameSnapshotIsNotThisOne) {
  const TestAppend first = AppendOn(base_.metadata);
  ASSERT_TRUE(catalog_->CommitTable(ident_, first.requirements, first.updates).ok());
  std::vector<iceberg::TableUpdate> second = first.updates;
  std::get<iceberg::AddSnapshot>(second[0]).snapshot.manifest_list += "-of-the-second-try";
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, first.requirements, second).status()), ErrorKind::kConflict);
}

TEST_F(RestCatalogTest, AnEffectThatArrivesLateIsUnknownUntilThen) {
  const Outcome held = AppendWith({{Kind::kHeld, 504}});
  EXPECT_EQ(KindOf(held.said), ErrorKind::kUnknownOutcome);
  EXPECT_FALSE(held.is_in);
  place_.server.LetArrive();
  EXPECT_TRUE(Has(last_.snapshot_id));
}

// With keys an unknown outcome is asked for by sending the same again: the server does it once.
TEST_F(RestCatalogWithKeysTest, AnUnknownOutcomeIsFoundOut) {
  for (const RestFault& fault :
       {RestFault{Kind::kLostRequest}, RestFault{Kind::kLostAnswer}, RestFault{Kind::kCutAnswer},
        RestFault{Kind::kAnswerOnly, 500}, RestFault{Kind::kAnswerAfter, 502}}) {
    const Outcome outcome = AppendWith({fault});
    EXPECT_TRUE(outcome.said.ok()) << outcome.said.ToString();
    EXPECT_TRUE(outcome.is_in);
    EXPECT_EQ(outcome.requests, 2u);
    const auto seen = place_.server.Seen("POST", "/tables/trades");
    const std::string key = seen.back().headers.at("idempotency-key");
    EXPECT_THAT(key, SizeIs(36));
    EXPECT_EQ(key[14], '7');
    EXPECT_EQ(seen[seen.size() - 2].headers.at("idempotency-key"), key);
    EXPECT_EQ(seen[seen.size() - 2].body, seen.back().body);
  }
  std::set<std::string> keys;
  for (const auto& request : place_.server.Seen("POST", "/tables/trades")) {
    keys.insert(request.headers.at("idempotency-key"));
  }
  EXPECT_THAT(keys, SizeIs(5));
}

// The server may have died between doing it and noting its key.
TEST_F(RestCatalogWithKeysTest, ARefusalAfterAnUnknownOutcomeIsNoProof) {
  const std::string conflict = R"({"error":{"type":"CommitFailedException","message":"stale","code":409}})";
  const std::string bad = R"({"error":{"type":"BadRequestException","message":"twice","code":400}})";
  for (const RestFault& second : {RestFault{Kind::kAnswerOnly, 400, bad}, RestFault{Kind::kAnswerOnly, 409, conflict},
                                  RestFault{Kind::kAnswerOnly, 403}}) {
    const Outcome outcome = AppendWith({{Kind::kAnswerAfter, 502}, second});
    EXPECT_EQ(KindOf(outcome.said), ErrorKind::kUnknownOutcome) << outcome.said.ToString();
    EXPECT_TRUE(outcome.is_in);
  }
}

TEST_F(RestCatalogTest, ALostAnswerToACreationIsUnknownAndTheNextRunFindsTheTable) {
  for (Kind kind : {Kind::kLostRequest, Kind::kLostAnswer, Kind::kAnswerAfter}) {
    const TableIdent ident{{"cold"}, fmt::format("t{}", static_cast<int>(kind))};
    place_.server.FailChanges({{kind, 500}});
    const Status said = catalog_->CreateTable(ident, TradesRequest()).status();
    EXPECT_EQ(KindOf(said), ErrorKind::kUnknownOutcome);
    EXPECT_EQ(place_.OpenRest()->LoadTable(ident).ok(), kind != Kind::kLostRequest);
    EXPECT_EQ(KindOf(catalog_->CreateTable(ident, TradesRequest()).status()),
              kind == Kind::kLostRequest ? ErrorKind::kFailed : ErrorKind::kAlreadyExists);
  }
}

TEST_F(RestCatalogTest, ANamespaceIsMadeWithAllThatIsAboveItWhateverItsAnswer) {
  const TableIdent ident{{"a", "b", "c"}, "t"};
  const std::string none = R"({"error":{"type":"NoSuchNamespaceException","message":"no","code":404}})";
  place_.server.FailChanges({{Kind::kAnswerOnly, 404, none}, {Kind::kLostAnswer}, {Kind::kAnswerAfter, 500}});
  ASSERT_TRUE(catalog_->CreateTable(ident, TradesRequest()).ok());
  EXPECT_THAT(catalog_->ListTables({"a", "b", "c"}).ValueOrDie(), ElementsAre(ident));
  std::vector<std::string> made;
  for (const auto& request : place_.server.Seen("POST", "/namespaces")) made.push_back(request.body);
  EXPECT_THAT(made.back(), HasSubstr(R"(["a","b","c"])"));
}

TEST(RestCatalogViews, AViewIsNoTableAndItsNameIsTaken) {
  RestServerOptions options;
  options.views = {"candles"};
  RestPlace place(options);
  auto catalog = place.OpenRest();
  const TableIdent view{{"cold"}, "candles"}, table{{"cold"}, "trades"};
  EXPECT_EQ(KindOf(catalog->LoadTable(view).status()), ErrorKind::kNotFound);
  const Status taken = catalog->CreateTable(view, TradesRequest()).status();
  EXPECT_EQ(KindOf(taken), ErrorKind::kConfig) << "planning anew would find the same: " << taken.ToString();
  EXPECT_THAT(MessageOf(taken), HasSubstr("cold.candles is a view"));
  ASSERT_TRUE(catalog->CreateTable(table, TradesRequest()).ok());
  EXPECT_EQ(KindOf(catalog->CreateTable(table, TradesRequest()).status()), ErrorKind::kAlreadyExists);
}

TEST_F(RestCatalogTest, ALostAnswerToATakeoverIsFound) {
  const TableIdent other{{"cold"}, "again"};
  place_.server.FailChanges({{Kind::kLostAnswer}});
  auto taken = catalog_->RegisterTable(other, base_.metadata_location);
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  EXPECT_EQ(taken->metadata.table_uuid, base_.metadata.table_uuid);
}

TEST_F(RestCatalogTest, ADropOfUnknownOutcomeIsNotRepeated) {
  place_.server.FailChanges({{Kind::kLostAnswer}});
  EXPECT_EQ(KindOf(catalog_->DropTable(ident_)), ErrorKind::kUnknownOutcome);
  EXPECT_THAT(place_.server.Seen("DELETE", "/tables/trades"), SizeIs(1));
  EXPECT_THAT(place_.server.seen().back().target, HasSubstr("purgeRequested=false"));
}

// --- several tables in one step

struct TogetherTest : RestCatalogTest {
  explicit TogetherTest(RestServerOptions options = Offering()) : RestCatalogTest(std::move(options)) {
    for (const char* name : {"a", "b", "c"}) {
      idents_.push_back({{"cold"}, name});
      EXPECT_TRUE(catalog_->CreateTable(idents_.back(), TradesRequest()).ok());
    }
  }
  static RestServerOptions Offering() {
    RestServerOptions options;
    options.offers_transactions = true;
    return options;
  }
  std::vector<TableCommit> Appends() {
    std::vector<TableCommit> commits;
    for (const TableIdent& ident : idents_) {
      TestAppend append = AppendOn(catalog_->LoadTable(ident)->metadata);
      commits.push_back({ident, append.requirements, append.updates});
    }
    return commits;
  }
  size_t Snapshots() {
    size_t count = 0;
    for (const TableIdent& ident : idents_) count += catalog_->LoadTable(ident)->metadata.snapshots.size();
    return count;
  }

  std::vector<TableIdent> idents_;
};
struct TogetherWithKeysTest : TogetherTest {
  TogetherWithKeysTest() : TogetherTest(LikeTheFixture()) {}
};

TEST_F(TogetherTest, AllOrNone) {
  EXPECT_TRUE(catalog_->CommitsTogether().ValueOrDie());
  auto commits = Appends();
  ASSERT_TRUE(catalog_->CommitTables(commits).ok());
  EXPECT_EQ(Snapshots(), 3u);
  commits = Appends();
  ASSERT_TRUE(AppendRetrying(*catalog_, idents_[1]).ok());
  EXPECT_EQ(KindOf(catalog_->CommitTables(commits)), ErrorKind::kConflict);
  EXPECT_EQ(Snapshots(), 4u);
  EXPECT_TRUE(catalog_->CommitTables({}).ok());
}

TEST_F(TogetherTest, OutcomesAreThoseOfOneTable) {
  place_.server.FailChanges({{Kind::kTwice}});
  EXPECT_TRUE(catalog_->CommitTables(Appends()).ok());
  EXPECT_EQ(Snapshots(), 3u);
  for (Kind kind : {Kind::kLostRequest, Kind::kLostAnswer, Kind::kAnswerAfter}) {
    const size_t before = Snapshots();
    place_.server.FailChanges({{kind, 502}});
    EXPECT_EQ(KindOf(catalog_->CommitTables(Appends())), ErrorKind::kUnknownOutcome);
    EXPECT_EQ(Snapshots(), before + (kind == Kind::kLostRequest ? 0 : 3));
  }
}

TEST_F(TogetherWithKeysTest, AnUnknownOutcomeIsFoundOut) {
  for (Kind kind : {Kind::kLostRequest, Kind::kLostAnswer, Kind::kAnswerAfter}) {
    const size_t before = Snapshots();
    place_.server.FailChanges({{kind, 502}});
    EXPECT_TRUE(catalog_->CommitTables(Appends()).ok());
    EXPECT_EQ(Snapshots(), before + 3);
  }
}

TEST_F(RestCatalogTest, ACatalogThatDoesNotOfferItRefusesSeveralAtOnce) {
  EXPECT_FALSE(catalog_->CommitsTogether().ValueOrDie());
  std::vector<TableCommit> commits{{ident_, {}, {iceberg::SetProperties{{{"k", "v"}}}}}};
  EXPECT_EQ(KindOf(catalog_->CommitTables(commits)), ErrorKind::kUnsupported);
  auto sql = place_.OpenInner();
  EXPECT_FALSE(sql->CommitsTogether().ValueOrDie());
  EXPECT_EQ(KindOf(sql->CommitTables(commits)), ErrorKind::kUnsupported);
}

// Changes go out on a connection that the server cannot have closed meanwhile: libcurl would send them twice.
TEST_F(RestCatalogTest, EveryChangeHasAConnectionOfItsOwn) {
  std::set<int> of_changes, of_reads;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AppendRetrying(*catalog_, ident_).ok());
  for (const auto& request : place_.server.seen()) {
    if (request.method == "GET") of_reads.insert(request.connection);
    if (request.target.ends_with("/tables/trades") && request.method == "POST") {
      EXPECT_TRUE(of_changes.insert(request.connection).second);
    }
  }
  EXPECT_THAT(of_changes, SizeIs(3));
  EXPECT_THAT(of_reads, SizeIs(2)) << "one for the configuration, one for what follows from it";
}

TEST_F(RestCatalogTest, AStopEndsWaiting) {
  place_.options.retry = {.attempts_max = 100, .wait_min_ms = 60'000, .wait_max_ms = 60'000, .total_max_ms = 9'000'000};
  auto catalog = place_.OpenRest();
  place_.server.SetFaults([this](const http::SeenRequest&) {
    place_.stop.RequestStop();
    return RestFault{Kind::kAnswerOnly, 503};
  });
  EXPECT_EQ(KindOf(catalog->LoadTable(ident_).status()), ErrorKind::kStopped);
}

}  // namespace
}  // namespace calve::catalog
