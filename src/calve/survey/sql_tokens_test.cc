#include "calve/survey/sql_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::survey {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const std::string& key) {
  std::vector<std::string> texts;
  for (const KeyElement& element : KeyElements(key)) texts.push_back(element.text);
  return texts;
}

TEST(SqlTokens, ElementsOfKeys) {
  EXPECT_THAT(Texts("(exchange, toYYYYMM(ts))"), ElementsAre("exchange", "toYYYYMM(ts)"));
  EXPECT_THAT(Texts("a, b"), ElementsAre("a", "b"));
  EXPECT_THAT(Texts("(a), (b)"), ElementsAre("(a)", "(b)")) << "the first bracket is not closed by the last";
  EXPECT_THAT(Texts("f(a, (b, c)), `x, y`, ['p,q']"), ElementsAre("f(a, (b, c))", "`x, y`", "['p,q']"));
  EXPECT_THAT(Texts(""), IsEmpty());
  EXPECT_THAT(Texts("tuple()"), IsEmpty());
  EXPECT_THAT(Texts("()"), IsEmpty());
}

TEST(SqlTokens, WhatAnElementNames) {
  const auto elements = KeyElements("(`a``b c`, toStartOfInterval(ts, toIntervalHour(1)), -id)");
  ASSERT_EQ(elements.size(), 3);
  EXPECT_EQ(elements[0].column, "a`b c");
  EXPECT_EQ(elements[1].column, "");
  EXPECT_EQ(elements[1].function, "toStartOfInterval");
  EXPECT_THAT(elements[1].names, ElementsAre("ts"));
  EXPECT_EQ(elements[2].column, "") << "an expression of one column is no column";
  EXPECT_THAT(elements[2].names, ElementsAre("id"));
}

TEST(SqlTokens, QuotesAndWhatIsNotClosed) {
  const auto tokens = Tokens(R"('it''s \' , (' "na""me" word(1.5e3))");
  ASSERT_EQ(tokens.size(), 6);
  EXPECT_EQ(tokens[0].text, "it's ' , (");
  EXPECT_EQ(tokens[1].text, "na\"me");
  EXPECT_EQ(tokens[1].kind, Token::Kind::kQuoted);
  EXPECT_TRUE(tokens[2].Is("WORD"));
  EXPECT_EQ(tokens[4].kind, Token::Kind::kNumber);
  EXPECT_EQ(tokens[3].depth, 0);
  EXPECT_EQ(tokens[4].depth, 1);
  EXPECT_EQ(tokens[5].depth, 0);
  for (const char* text : {"'", "`", "\"a", "'\\", "((((", "))))", "a.", "\xff\x00"}) {
    EXPECT_LE(Tokens(text).size(), 4) << text;
    KeyElements(text);
  }
  EXPECT_LE(Tokens(std::string(1 << 20, '(')).size(), 256 << 10);
}

}  // namespace
}  // namespace calve::survey
