#include "calve/config/row_count.h"

#include <gtest/gtest.h>

namespace calve::config {
namespace {

TEST(RowCount, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*ParseRows("500000"), 500'000);
  EXPECT_EQ(*ParseRows("0"), 0);
  EXPECT_EQ(*ParseRows("50M"), 50'000'000);
  EXPECT_EQ(*ParseRows("50M rows"), 50'000'000);
  EXPECT_EQ(*ParseRows("2K"), 2'000);
  EXPECT_EQ(*ParseRows("10B rows"), 10'000'000'000);
  for (const char* text : {"", "M", "rows", "-1", "5 lakh", "1.5M", "50MB", "99999999999B", "50M rows more"}) {
    EXPECT_FALSE(ParseRows(text).ok()) << text;
  }
}

TEST(RowCount, WhatIsWrittenIsReadAsTheSame) {
  EXPECT_EQ(FormatRows(50'000'000), "50M");
  EXPECT_EQ(FormatRows(1'234'567), "1234567");
  for (int64_t rows : {0L, 1L, 1'000L, 1'500L, 2'000'000'000L, 10'000'000'000L}) {
    EXPECT_EQ(*ParseRows(FormatRows(rows)), rows);
  }
}

}  // namespace
}  // namespace calve::config
