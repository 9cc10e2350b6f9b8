// Blocks that real ClickHouse servers wrote, against what they say the rows are (tests/data/native/make.py).
#include <arrow/array/array_primitive.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <sstream>

#include "calve/source/testing_native.h"

namespace calve::source {
namespace {

using nlohmann::ordered_json;
using testing::Chunked;
using testing::DecodeAll;
using testing::Difference;
using testing::ReadFile;
using testing::Whole;

const std::filesystem::path kFolder = std::filesystem::path(CALVE_TEST_DATA) / "native";

struct Golden {
  std::string name;  // "nested_r54465"
  NativeOptions options;
  std::string bytes;
  std::vector<ordered_json> rows;
};

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".native") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Golden Load(const std::string& name) {
  Golden golden;
  golden.name = name;
  const size_t at = name.rfind("_r");
  golden.options.revision = std::stoull(name.substr(at + 2));
  golden.bytes = ReadFile(kFolder / (name + ".native"));
  std::istringstream lines(ReadFile(kFolder / (name.substr(0, at) + ".jsonl")));
  for (std::string line; std::getline(lines, line);) golden.rows.push_back(ordered_json::parse(line));
  return golden;
}

void ExpectRows(const Golden& golden, const Result<std::vector<std::shared_ptr<arrow::RecordBatch>>>& batches) {
  ASSERT_TRUE(batches.ok()) << golden.name << ": " << batches.status().ToString();
  size_t row = 0;
  for (const auto& batch : *batches) {
    const Status valid = batch->ValidateFull();
    ASSERT_TRUE(valid.ok()) << valid.ToString();
    for (int64_t i = 0; i < batch->num_rows(); ++i, ++row) {
      ASSERT_LT(row, golden.rows.size());
      ASSERT_EQ(static_cast<size_t>(batch->num_columns()), golden.rows[row].size());
      for (int c = 0; c < batch->num_columns(); ++c) {
        const std::string& column = batch->column_name(c);
        ASSERT_TRUE(golden.rows[row].contains(column)) << column;
        EXPECT_EQ(Difference(*batch->column(c), i, golden.rows[row][column]), "")
            << golden.name << " row " << row << " column " << column;
      }
    }
  }
  EXPECT_EQ(row, golden.rows.size());
}

class NativeGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(NativeGolden, IsWhatTheServerSays) {
  const Golden golden = Load(GetParam());
  ExpectRows(golden, DecodeAll(Whole(golden.bytes), golden.options));
}

TEST_P(NativeGolden, ChunksOfAnySizeMakeNoDifference) {
  const Golden golden = Load(GetParam());
  ExpectRows(golden, DecodeAll(Chunked(golden.bytes, [] { return 1; }), golden.options));
  std::mt19937_64 random(7);
  for (int64_t most : {2, 7, 40, 500, 5000}) {
    ExpectRows(golden, DecodeAll(Chunked(golden.bytes, [&] { return 1 + static_cast<int64_t>(random() % most); }),
                                 golden.options));
  }
}

TEST_P(NativeGolden, ACutIsAnErrorUnlessItIsBetweenBlocks) {
  const Golden golden = Load(GetParam());
  const auto whole = DecodeAll(Whole(golden.bytes), golden.options);
  ASSERT_TRUE(whole.ok());
  size_t at_boundary = 0;
  const size_t step = golden.bytes.size() / 600 + 1;
  for (size_t size = 0; size < golden.bytes.size(); size += step) {
    const auto cut = DecodeAll(Whole(golden.bytes.substr(0, size)), golden.options);
    if (cut.ok()) {
      ++at_boundary;
      EXPECT_LT(cut->size(), whole->size());
    } else {
      EXPECT_EQ(KindOf(cut.status()), ErrorKind::kCorrupt) << cut.status().ToString() << " cut at " << size;
    }
  }
  EXPECT_LE(at_boundary, whole->size());
}

// What comes of it is an error or a batch that is valid; never a crash, a hang, or memory beyond the bytes.
TEST_P(NativeGolden, MutationsNeverCrash) {
  const Golden golden = Load(GetParam());
  NativeOptions options = golden.options;
  options.rows_max = 4096;
  options.bytes_max = 1 << 20;
  std::mt19937_64 random(11);
  const uint8_t kValues[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  const size_t step = 1 + golden.bytes.size() / 300;
  for (size_t at = random() % step; at < golden.bytes.size(); at += step) {
    std::string mutated = golden.bytes;
    mutated[at] = static_cast<char>(random() % 2 == 0 ? kValues[random() % 5] : random());
    if (random() % 4 == 0) mutated[random() % mutated.size()] ^= static_cast<char>(1 << (random() % 8));
    if (random() % 8 == 0) mutated.insert(at, 1, static_cast<char>(random()));
    const auto batches = DecodeAll(Chunked(mutated, [&] { return 1 + static_cast<int64_t>(random() % 900); }), options);
    if (!batches.ok()) continue;
    for (const auto& batch : *batches) {
      const Status valid = batch->ValidateFull();
      EXPECT_TRUE(valid.ok()) << golden.name << " at " << at << ": " << valid.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, NativeGolden, ::testing::ValuesIn(GoldenNames()),
                         [](const auto& name) { return name.param; });

// Which JSON cannot tell.
TEST(NativeGoldenFiles, NegativeZeroKeepsItsSign) {
  const Golden golden = Load("numbers_r0");
  const auto batches = DecodeAll(Whole(golden.bytes), golden.options);
  ASSERT_TRUE(batches.ok());
  const auto& batch = *batches->at(1);
  const auto& f32 = static_cast<const arrow::FloatArray&>(*batch.GetColumnByName("f32"));
  const auto& f64 = static_cast<const arrow::DoubleArray&>(*batch.GetColumnByName("f64"));
  EXPECT_EQ(f32.Value(0), 0);
  EXPECT_TRUE(std::signbit(f32.Value(0)));
  EXPECT_EQ(f64.Value(0), 0);
  EXPECT_TRUE(std::signbit(f64.Value(0)));
}

TEST(NativeGoldenFiles, AreThere) { EXPECT_GE(GoldenNames().size(), 30u); }

}  // namespace
}  // namespace calve::source
