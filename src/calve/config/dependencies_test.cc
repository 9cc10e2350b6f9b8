#include "calve/config/dependencies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TableConfig Table(const std::string& name, const std::string& layer, std::vector<std::string> after = {}) {
  TableConfig table;
  table.name = name;
  table.layer = layer;
  table.after = std::move(after);
  return table;
}

TEST(Dependencies, LayersStandAsInTheFileAndTheThreeKnownOnesInTheirOrder) {
  EXPECT_THAT(LayerOrder({Table("a", "gold"), Table("b", "bronze"), Table("c", "silver")}),
              ElementsAre("bronze", "silver", "gold"));
  EXPECT_THAT(LayerOrder({Table("a", "landing"), Table("b", "gold"), Table("c", "serving"), Table("d", "bronze")}),
              ElementsAre("landing", "bronze", "serving", "gold"));
  EXPECT_THAT(LayerOrder({Table("a", ""), Table("b", "z"), Table("c", "a"), Table("d", "z")}), ElementsAre("z", "a"));
}

TEST(Dependencies, ATableWaitsForTheNearestLayerThatIsThere) {
  std::vector<TableConfig> tables = {Table("c1", "gold"), Table("t1", "bronze"), Table("t2", "bronze"), Table("x", "")};
  const auto order = LayerOrder(tables);
  EXPECT_THAT(TablesBefore("gold", order, tables), ElementsAre("t1", "t2"));  // there is no silver
  EXPECT_THAT(TablesBefore("bronze", order, tables), IsEmpty());
  EXPECT_THAT(TablesBefore("", order, tables), IsEmpty());
}

TEST(Dependencies, CyclesAreNamedWithoutWhatOnlyLeadsToThem) {
  EXPECT_THAT(FindCycle({Table("a", ""), Table("b", "", {"a"}), Table("c", "", {"a", "b"})}), IsEmpty());
  EXPECT_THAT(FindCycle({Table("a", "", {"a"})}), ElementsAre("a", "a"));
  EXPECT_THAT(FindCycle({Table("tail", "", {"a"}), Table("a", "", {"x", "b"}), Table("b", "", {"a"}), Table("x", "")}),
              ElementsAre("a", "b", "a"));
  EXPECT_THAT(FindCycle({Table("a", "", {"nobody"})}), IsEmpty());
}

TEST(Dependencies, AThousandTablesInARowAreNoCycle) {
  std::vector<TableConfig> tables = {Table("0", "")};
  for (int i = 1; i < 1000; ++i) tables.push_back(Table(std::to_string(i), "", {std::to_string(i - 1)}));
  EXPECT_THAT(FindCycle(tables), IsEmpty());
  tables[0].after = {"999"};
  EXPECT_EQ(FindCycle(tables).size(), 1001u);
}

}  // namespace
}  // namespace calve::config
