#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/catalog/catalog.h"

namespace calve::catalog {
namespace {

TEST(TableIdent, Parses) {
  EXPECT_EQ(ParseTableIdent("ns.t").ValueOrDie(), (TableIdent{{"ns"}, "t"}));
  EXPECT_EQ(ParseTableIdent("a.b.t").ValueOrDie(), (TableIdent{{"a", "b"}, "t"}));
  EXPECT_EQ(ParseTableIdent("demo.cold.t", "demo").ValueOrDie(), (TableIdent{{"cold"}, "t"}));
  EXPECT_EQ(ParseTableIdent("demo.cold.t", "other").ValueOrDie(), (TableIdent{{"demo", "cold"}, "t"}));
  // Two parts are a namespace and a table, whatever the catalog is called.
  EXPECT_EQ(ParseTableIdent("demo.t", "demo").ValueOrDie(), (TableIdent{{"demo"}, "t"}));
  EXPECT_EQ(ParseTableIdent("demo.demo.t", "demo").ValueOrDie(), (TableIdent{{"demo"}, "t"}));
  EXPECT_EQ((TableIdent{{"a", "b"}, "t"}).ToString(), "a.b.t");
}

TEST(TableIdent, RefusesWhatNamesNoTable) {
  for (const char* text : {"", "t", ".", "a.", ".t", "a..t", "..", "a.b."}) {
    Status status = ParseTableIdent(text).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << text;
    EXPECT_THAT(RemedyOf(status), ::testing::HasSubstr("namespace.table"));
  }
}

}  // namespace
}  // namespace calve::catalog
