#include "calve/objectstore/xml.h"

#include <gtest/gtest.h>

namespace calve::objectstore {
namespace {

TEST(Xml, ReadsWhatStoresAnswer) {
  auto root = ParseXml(
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c -->"
      "<s3:ListBucketResult xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Contents>"
      "<Key>a&amp;b&lt;&#x20AC;&#65;</Key><Size>3</Size></Contents><Contents "
      "a='>'><Key><![CDATA[<x>]]></Key></Contents>"
      "<Prefix/></s3:ListBucketResult>\n");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->name, "ListBucketResult");
  EXPECT_EQ(root->ChildText("Name"), "b");
  EXPECT_EQ(root->ChildText("Prefix"), "");
  EXPECT_EQ(root->ChildText("Nothing"), "");
  auto contents = root->Children("Contents");
  ASSERT_EQ(contents.size(), 2u);
  EXPECT_EQ(contents[0]->ChildText("Key"),
            "a&b<\xe2\x82\xac"
            "A");
  EXPECT_EQ(contents[1]->ChildText("Key"), "<x>");
  EXPECT_EQ(root->Child("Nothing"), nullptr);
}

TEST(Xml, RefusesWhatIsNone) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("<a>"), std::string("<a></b>"), std::string("<a/><b/>"),
        std::string("<a>&x;</a>"), std::string("<a>&#0;</a>"), std::string("<a b></a>"), std::string("<a b='></a>"),
        std::string("<!DOCTYPE a><a/>"), std::string("<a><![CDATA[</a>"), std::string("<"),
        std::string("<a>&#99999999999;</a>"), deep}) {
    EXPECT_EQ(KindOf(ParseXml(text).status()), ErrorKind::kCorrupt) << text;
  }
}

TEST(Xml, EscapedTextComesBack) {
  const std::string text = "a<b>&\"'\xc3\xa4";
  EXPECT_EQ(ParseXml("<a>" + XmlEscaped(text) + "</a>")->text, text);
}

}  // namespace
}  // namespace calve::objectstore
