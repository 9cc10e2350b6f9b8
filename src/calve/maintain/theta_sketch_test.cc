#include "calve/maintain/theta_sketch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

namespace calve::maintain {
namespace {

std::string BytesOf(uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

// Numbers from the library's own hash (MurmurHash3, x64, 128 bits, seed 9001; the first half without its lowest bit),
// of every length of a tail that matters.
TEST(ThetaSketch, HashesAsTheLibraryDoes) {
  EXPECT_EQ(ThetaSketch::HashOf("a"), 8863373810831573271U);
  EXPECT_EQ(ThetaSketch::HashOf("calve"), 1251233718138147637U);
  EXPECT_EQ(ThetaSketch::HashOf("0123456789abcdef"), 1350429197554960912U);
  EXPECT_EQ(ThetaSketch::HashOf("0123456789abcdef0"), 5670748835164432427U);
  EXPECT_EQ(ThetaSketch::HashOf("0123456789abcdef01234567"), 3324907950047952248U);
  EXPECT_EQ(ThetaSketch::HashOf("The quick brown fox jumps over the lazy dog"), 1707970839426031505U);
  EXPECT_EQ(ThetaSketch::HashOf(BytesOf(42)), 5206189584322944525U);
}

TEST(ThetaSketch, ExactWhereItHoldsThemAllAndAnEstimateBeyond) {
  ThetaSketch sketch;
  EXPECT_EQ(sketch.Estimate(), 0);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < ThetaSketch::kNominalEntries; ++i) sketch.Update(BytesOf(i));
    EXPECT_EQ(sketch.Estimate(), ThetaSketch::kNominalEntries);
  }
  for (const uint64_t count : {5'000U, 20'000U, 1'000'000U}) {
    for (uint64_t i = 0; i < count; ++i) sketch.Update(BytesOf(i));
    // Four standard errors; the values are always the same.
    EXPECT_NEAR(sketch.Estimate(), static_cast<double>(count), static_cast<double>(count) * 4 / std::sqrt(4096.0));
  }
  EXPECT_EQ(sketch.Compact().size(), 24 + 8 * ThetaSketch::kNominalEntries);
}

TEST(ThetaSketch, AnEmptyValueIsNoneAsInTheLibrary) {
  ThetaSketch sketch;
  sketch.Update("");
  EXPECT_EQ(sketch.Estimate(), 0);
}

TEST(ThetaSketch, CompactFormOfEachState) {
  ThetaSketch sketch;
  EXPECT_EQ(sketch.Compact(), std::string("\x01\x03\x03\x00\x00\x1e\xcc\x93", 8));
  sketch.Update("a");
  const std::string single = sketch.Compact();
  ASSERT_EQ(single.size(), 16U);
  EXPECT_EQ(single.substr(0, 8), std::string("\x01\x03\x03\x00\x00\x3a\xcc\x93", 8));
  EXPECT_EQ(single.substr(8), BytesOf(ThetaSketch::HashOf("a")));
  sketch.Update("calve");
  const std::string two = sketch.Compact();
  ASSERT_EQ(two.size(), 32U);
  EXPECT_EQ(two.substr(0, 12), std::string("\x02\x03\x03\x00\x00\x1a\xcc\x93\x02\x00\x00\x00", 12));
  EXPECT_EQ(two.substr(16), BytesOf(ThetaSketch::HashOf("calve")) + BytesOf(ThetaSketch::HashOf("a"))) << "in order";
}

}  // namespace
}  // namespace calve::maintain
