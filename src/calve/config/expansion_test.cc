#include "calve/config/expansion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/config/url_password.h"
#include "calve/http/percent_encoding.h"

namespace calve::config {
namespace {

using testing::HasSubstr;
using testing::Not;

std::optional<std::string> Variable(const std::string& name) {
  if (name == "A") return "alpha";
  if (name == "EMPTY") return "";
  if (name == "SECRET") return "hunter2";
  if (name == "LOOKS_LIKE_ONE") return "${A}";
  if (name == "HUGE") return std::string(600'000, 'x');
  return std::nullopt;
}

std::string Text(const std::string& written) {
  auto expanded = Expand(written, Variable);
  return expanded.ok() ? expanded->text : "error: " + MessageOf(expanded.status());
}

TEST(Expansion, VariablesDefaultsAndDollars) {
  EXPECT_EQ(Text("plain"), "plain");
  EXPECT_EQ(Text("x${A}y${A}"), "xalphayalpha");
  EXPECT_EQ(Text("${A:-b}"), "alpha");
  EXPECT_EQ(Text("${NONE:-b:-c}"), "b:-c");
  EXPECT_EQ(Text("${NONE:-}"), "");
  EXPECT_EQ(Text("${EMPTY}"), "");
  EXPECT_EQ(Text("${EMPTY:-b}"), "b");
  EXPECT_EQ(Text("US$$ $${A}"), "US$ ${A}");
}

TEST(Expansion, WhatAVariableHoldsIsNotExpandedAgain) { EXPECT_EQ(Text("${LOOKS_LIKE_ONE}"), "${A}"); }

TEST(Expansion, MistakesAreNamedAndValuesAreNot) {
  EXPECT_THAT(Text("${SECRET}${NONE}"), HasSubstr("variable NONE is not set"));
  EXPECT_THAT(Text("${SECRET}${NONE}"), Not(HasSubstr("hunter2")));
  for (const char* text : {"$", "a$b", "${", "${A", "$A", "${}", "${1A}", "${A B}", "${:-x}", "${N:-${A}}"}) {
    EXPECT_THAT(Text(text), HasSubstr("error: ")) << text;
  }
  EXPECT_THAT(Text("${HUGE}${HUGE}"), HasSubstr("more than 1048576 bytes"));
}

TEST(Expansion, WhatCameFromTheEnvironmentIsMarked) {
  EXPECT_TRUE(Expand("${A}", Variable)->from_environment);
  EXPECT_TRUE(Expand("${NONE:-x}", Variable)->from_environment);
  EXPECT_FALSE(Expand("$${A}", Variable)->from_environment);
  EXPECT_TRUE(HasExpansion("a${A}"));
  EXPECT_FALSE(HasExpansion("a$${A}"));
  EXPECT_TRUE(HasExpansion("$$${A}"));
  EXPECT_FALSE(HasExpansion("a$"));
}

std::string PasswordOf(const std::string& url) {
  auto place = FindPassword(url);
  return place ? url.substr(place->begin, place->size) : "none";
}

TEST(UrlPassword, IsWhatStandsBetweenColonAndAt) {
  EXPECT_EQ(PasswordOf("http://u:p@h:8123/d"), "p");
  EXPECT_EQ(PasswordOf("http://u:p:q@h"), "p:q");
  EXPECT_EQ(PasswordOf("http://u:@h"), "");
  EXPECT_EQ(PasswordOf("http://u:a@b@h"), "a@b");
  EXPECT_EQ(PasswordOf("postgresql://u:${PG:-a@b/c}@h/d"), "${PG:-a@b/c}");
  for (const char* url : {"http://u@h:8123/d", "http://h:8123/a:b@c", "chdb:/srv/a:b@c", "sqlite:////a.db", "", "://",
                          "http://", "${URL:-http://u:p@h}", "http://h?x=u:p@y"}) {
    EXPECT_EQ(PasswordOf(url), "none") << url;
  }
  const std::string url = "http://u:p@h:8123/d";
  EXPECT_EQ(WithoutPassword(url, *FindPassword(url)), "http://u@h:8123/d");
}

TEST(UrlPassword, OddOnesAreSeen) {
  EXPECT_TRUE(HasPasswordParameter("postgresql://h/d?sslpassword=x"));
  EXPECT_TRUE(HasPasswordParameter("http://h/?user=a&password=x"));
  EXPECT_FALSE(HasPasswordParameter("http://password=x@h/"));
  EXPECT_TRUE(HasStrayAt("http://u@rest@h/d"));
  EXPECT_TRUE(HasStrayAt("http://u@h/rest@x"));
  EXPECT_FALSE(HasStrayAt("http://u@h/d"));
  EXPECT_FALSE(HasStrayAt("chdb:/srv/a@b"));
  EXPECT_EQ(http::PercentDecoded("a%40b%2Fc%zz%4"), "a@b/c%zz%4");
  EXPECT_EQ(http::PercentDecoded("%+1%-1"), "%+1%-1");
}

}  // namespace
}  // namespace calve::config
