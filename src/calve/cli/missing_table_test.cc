#include "calve/cli/missing_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/base/error.h"

namespace calve::cli {
namespace {

using testing::HasSubstr;

TEST(MissingTableTest, TheNameThatWasMeant) {
  EXPECT_EQ(MissingTableRemedy("cold.trade", {{"cold.trades", "cold.candles"}}, {"cold"}), "Did you mean cold.trades?");
}

TEST(MissingTableTest, WhatThereIsWhereNoNameIsNear) {
  EXPECT_THAT(MissingTableRemedy("cold.quotes", {{"cold.trades", "cold.candles"}}, {"cold"}),
              HasSubstr("There are cold.candles, cold.trades."));
  std::vector<std::string> many;
  for (int i = 10; i < 30; ++i) many.push_back("cold.t" + std::to_string(i));
  EXPECT_THAT(MissingTableRemedy("cold.something_else", {many}, {"cold"}), HasSubstr("cold.t19 and 10 more."));
}

TEST(MissingTableTest, NamespacesAndNothing) {
  EXPECT_THAT(MissingTableRemedy("gold.trades", std::nullopt, {"silver", "cold"}),
              HasSubstr("no such namespace, but cold, silver."));
  EXPECT_THAT(MissingTableRemedy("cold.trades", std::nullopt, {}), HasSubstr("There is no table at all."));
  EXPECT_THAT(MissingTableRemedy("cold.trades", {std::vector<std::string>{}}, {"cold"}), HasSubstr("calve run"));
}

// A catalog that lists what it was given; nothing else of it is asked for.
class ListedCatalog : public catalog::Catalog {
 public:
  std::string name() const override { return "listed"; }
  Result<catalog::LoadedTable> LoadTable(const catalog::TableIdent&) override { return Nothing(); }
  Result<catalog::LoadedTable> CreateTable(const catalog::TableIdent&, const catalog::CreateTableRequest&) override {
    return Nothing();
  }
  Result<catalog::LoadedTable> CommitTable(const catalog::TableIdent&, std::span<const iceberg::TableRequirement>,
                                           std::span<const iceberg::TableUpdate>) override {
    return Nothing();
  }
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override {
    if (!listing.ok()) return listing;
    return std::vector<std::vector<std::string>>{{"cold"}};
  }
  Result<std::vector<catalog::TableIdent>> ListTables(const std::vector<std::string>& levels) override {
    return std::vector<catalog::TableIdent>{{levels, "trades"}};
  }
  Status DropTable(const catalog::TableIdent&) override { return Nothing(); }

  Status listing;

 private:
  static Status Nothing() { return MakeError(ErrorKind::kNotFound, "there is no table"); }
};

TEST(MissingTableTest, OnlyWhatIsMissingIsExplained) {
  ListedCatalog listed;
  const catalog::TableIdent trade{{"cold"}, "trade"};
  const Status missing = MakeError(ErrorKind::kNotFound, "there is no table cold.trade");
  const Status explained = ExplainMissingTable(missing, trade, listed);
  EXPECT_EQ(RemedyOf(explained), "Did you mean cold.trades?");
  EXPECT_EQ(MessageOf(explained), "there is no table cold.trade");
  EXPECT_EQ(KindOf(explained), ErrorKind::kNotFound);

  EXPECT_TRUE(ExplainMissingTable(Status::OK(), trade, listed).ok());
  EXPECT_EQ(RemedyOf(ExplainMissingTable(MakeError(ErrorKind::kRetry, "away"), trade, listed)), "");
  EXPECT_EQ(RemedyOf(ExplainMissingTable(MakeError(ErrorKind::kNotFound, "gone", "Mend it."), trade, listed)),
            "Mend it.");
  EXPECT_EQ(ExplainMissingTable(missing, {{"cold"}, "trades"}, listed).ToString(), missing.ToString())
      << "the table is there, so a file of it is missing";
  listed.listing = MakeError(ErrorKind::kRetry, "away");
  EXPECT_EQ(ExplainMissingTable(missing, trade, listed).ToString(), missing.ToString());
}

}  // namespace
}  // namespace calve::cli
