#include "calve/config/yaml_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::config {
namespace {

using testing::HasSubstr;

ScalarKind KindOfText(const std::string& text, bool quoted = false) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.text = text;
  node.quoted = quoted;
  return ScalarKindOf(node);
}

// YAML 1.2, 10.3.2 "Tag Resolution" of the core schema.
TEST(YamlDocument, ScalarsAreWhatTheCoreSchemaTakesThemFor) {
  for (const char* text : {"0", "-7", "+12", "0x1F", "0o17"}) EXPECT_EQ(KindOfText(text), ScalarKind::kInteger) << text;
  for (const char* text : {"1.5", ".5", "5.", "1e3", "-1.5E-7", ".inf", "-.Inf", ".nan"})
    EXPECT_EQ(KindOfText(text), ScalarKind::kFloat) << text;
  for (const char* text : {"true", "False", "TRUE"}) EXPECT_EQ(KindOfText(text), ScalarKind::kBoolean) << text;
  for (const char* text :
       {"yes", "on", "5m", "1.2.3", "-", "+", ".", "e5", "0x", "0xg", "1e", "1e+", "2024-08-09", "12:30", "a", ""})
    EXPECT_EQ(KindOfText(text), ScalarKind::kText) << text;
  EXPECT_EQ(KindOfText("5", /*quoted=*/true), ScalarKind::kText);
}

TEST(YamlDocument, ValuesKnowWhereTheyStand) {
  Findings findings("f");
  auto root = ParseYaml("a: 1\nb:\n  - x\n  - {c: \"5\"}\n", findings);
  ASSERT_TRUE(root && findings.empty());
  ASSERT_EQ(root->entries.size(), 2u);
  EXPECT_EQ(root->entries[1].mark.line, 2);
  const Node& list = root->entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].mark.line, 3);
  EXPECT_EQ(list.items[0].mark.column, 5);
  const Node* inner = Find(list.items[1], "c");
  ASSERT_TRUE(inner);
  EXPECT_TRUE(inner->quoted);
  EXPECT_EQ(inner->mark.column, 9);
  EXPECT_EQ(Find(list.items[1], "d"), nullptr);
}

std::string WhatIsWrong(const std::string& text) {
  Findings findings("f");
  ParseYaml(text, findings);
  return MessageOf(findings.ToStatus());
}

TEST(YamlDocument, WhatCannotBeMeantIsRefusedWithItsPlace) {
  EXPECT_THAT(WhatIsWrong("a: 1\nb: 2\na: 3\n"), HasSubstr("f:3:1: the key 'a'"));
  EXPECT_THAT(WhatIsWrong("a: &x 1\nb: *x\n"), HasSubstr("f:2:4: aliases"));
  EXPECT_THAT(WhatIsWrong("a: !!str 1\n"), HasSubstr("f:1:4: the tag"));
  EXPECT_THAT(WhatIsWrong("[a]: 1\n"), HasSubstr("f:1:1: a key of a mapping"));
  EXPECT_THAT(WhatIsWrong("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(WhatIsWrong("a: 1\n\tb: [\n"), HasSubstr("f:2"));
  EXPECT_THAT(WhatIsWrong(std::string("a: 1\nb: \x04\n")), HasSubstr("f:2:4: the control character 0x04"));
  EXPECT_THAT(WhatIsWrong(std::string("a: 1\0b", 6)), HasSubstr("0x00"));
  EXPECT_THAT(WhatIsWrong("a: \xff\n"), HasSubstr("not UTF-8"));
}

TEST(YamlDocument, SizeDepthAndNumberAreBounded) {
  EXPECT_THAT(WhatIsWrong(std::string(kFileBytesMax + 1, ' ')), HasSubstr("larger than"));
  EXPECT_EQ(WhatIsWrong(std::string(kFileBytesMax, ' ')), "");
  EXPECT_EQ(WhatIsWrong(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_THAT(WhatIsWrong(std::string(33, '[') + std::string(33, ']')), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(WhatIsWrong(std::string(500'000, '[')), HasSubstr("f:"));
  EXPECT_THAT(WhatIsWrong(std::string(400'000, '{')), HasSubstr("f:"));
  std::string many = "[";
  for (int i = 0; i < 100'001; ++i) many += "1,";
  EXPECT_THAT(WhatIsWrong(many + "1]"), HasSubstr("more than 100000 values"));
}

}  // namespace
}  // namespace calve::config
