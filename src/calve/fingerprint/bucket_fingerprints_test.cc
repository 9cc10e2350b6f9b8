#include "calve/fingerprint/bucket_fingerprints.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "calve/fingerprint/testing_arrays.h"

namespace calve::fingerprint {
namespace {

constexpr int64_t kHour = 3'600 * kMicrosPerSecond;
const std::vector<int> kIds = {1, 2, 3};

// A table of a cursor, a number and a text; what a test changes before it is hashed.
struct Rows {
  std::vector<int64_t> times, numbers;
  std::vector<std::string> texts;

  static Rows Make(int count) {
    Rows rows;
    for (int i = 0; i < count; ++i) {
      rows.times.push_back(i * (kHour / 100) - 3 * kHour);  // also before the epoch
      rows.numbers.push_back(i % 7);
      rows.texts.push_back(i % 3 == 0 ? "BTC" : "ETH");
    }
    return rows;
  }
  std::shared_ptr<arrow::RecordBatch> Batch() const {
    arrow::TimestampBuilder time(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
    arrow::Int64Builder number;
    arrow::StringBuilder text;
    EXPECT_TRUE(time.AppendValues(times).ok() && number.AppendValues(numbers).ok() && text.AppendValues(texts).ok());
    return fingerprint::Batch({time.Finish().ValueOrDie(), number.Finish().ValueOrDie(), text.Finish().ValueOrDie()});
  }
  Fingerprints Buckets(int64_t bucket = kHour) const {
    FingerprintBuilder builder(kIds, 0, bucket);
    EXPECT_TRUE(builder.Add(*Batch()).ok());
    return builder.buckets();
  }
};

// The buckets whose fingerprints are not equal.
std::vector<TimestampMicros> Different(const Fingerprints& a, const Fingerprints& b) {
  std::vector<TimestampMicros> different;
  Fingerprints all = a;
  Merge(b, all);
  for (const auto& [bucket, sums] : all) {
    auto in_a = a.find(bucket), in_b = b.find(bucket);
    if (in_a == a.end() || in_b == b.end() || !(in_a->second == in_b->second)) different.push_back(bucket);
  }
  return different;
}

TEST(BucketFingerprints, FloorsTowardsMinusInfinity) {
  Fingerprints buckets = Rows::Make(500).Buckets();
  std::vector<TimestampMicros> starts;
  for (const auto& [bucket, sums] : buckets) {
    starts.push_back(bucket);
    EXPECT_EQ(sums.rows, 100);
  }
  EXPECT_EQ(starts, (std::vector<TimestampMicros>{-3 * kHour, -2 * kHour, -kHour, 0, kHour}));
  EXPECT_EQ(Rows::Make(500).Buckets(kMicrosPerDay).begin()->first, -kMicrosPerDay);
}

TEST(BucketFingerprints, NeitherOrderNorBatchesNorEncodingMatter) {
  Rows rows = Rows::Make(5000), shuffled = rows;
  std::vector<size_t> order(5000);
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (size_t i = 0; i < order.size(); ++i) {
    shuffled.times[i] = rows.times[order[i]];
    shuffled.numbers[i] = rows.numbers[order[i]];
    shuffled.texts[i] = rows.texts[order[i]];
  }
  Fingerprints whole = rows.Buckets();
  EXPECT_EQ(whole, shuffled.Buckets());
  Fingerprints merged;
  auto batch = shuffled.Batch();
  arrow::StringDictionaryBuilder dictionary;
  for (const std::string& text : shuffled.texts) ASSERT_TRUE(dictionary.Append(text).ok());
  std::shared_ptr<arrow::Array> encoded = dictionary.Finish().ValueOrDie();
  batch = Batch({batch->column(0), batch->column(1), encoded});
  for (int64_t at = 0; at < 5000; at += 733) {
    FingerprintBuilder builder(kIds, 0, kHour);
    ASSERT_TRUE(builder.Add(*batch->Slice(at, 733)).ok());
    Merge(builder.buckets(), merged);
  }
  EXPECT_EQ(whole, merged);
}

TEST(BucketFingerprints, ShowEveryTampering) {
  const Rows rows = Rows::Make(5000);
  const Fingerprints whole = rows.Buckets();
  const std::vector<TimestampMicros> expected = {rows.times[4321] - rows.times[4321] % kHour};
  const size_t at = 4321, other = 4322;
  ASSERT_NE(rows.numbers[at], rows.numbers[other]);

  Rows flipped = rows;
  flipped.numbers[at] ^= int64_t{1} << 62;
  EXPECT_EQ(Different(whole, flipped.Buckets()), expected);
  Fingerprint was = whole.at(expected[0]), is = flipped.Buckets().at(expected[0]);
  EXPECT_EQ(was.columns[0], is.columns[0]);
  EXPECT_NE(was.columns[1], is.columns[1]);  // the column is named
  EXPECT_EQ(was.columns[2], is.columns[2]);

  // Two rows exchange a value: no column's own sum moves, the rows' does.
  Rows swapped = rows;
  std::swap(swapped.numbers[at], swapped.numbers[other]);
  EXPECT_EQ(Different(whole, swapped.Buckets()), expected);
  EXPECT_EQ(was.columns, swapped.Buckets().at(expected[0]).columns);

  for (int copies : {0, 2, 3, 257}) {  // a xor would not see an even number of them
    Rows changed = rows;
    if (copies == 0) {
      changed.times.erase(changed.times.begin() + at);
      changed.numbers.erase(changed.numbers.begin() + at);
      changed.texts.erase(changed.texts.begin() + at);
    }
    for (int i = 1; i < copies; ++i) {
      changed.times.push_back(rows.times[at]);
      changed.numbers.push_back(rows.numbers[at]);
      changed.texts.push_back(rows.texts[at]);
    }
    EXPECT_EQ(Different(whole, changed.Buckets()), expected) << copies;
  }
  // One row doubled and another one lost: the count stays.
  Rows replaced = rows;
  replaced.numbers[at] = rows.numbers[other];
  replaced.texts[at] = rows.texts[other];
  replaced.times[at] = rows.times[other];
  EXPECT_EQ(Different(whole, replaced.Buckets()), expected);
}

TEST(BucketFingerprints, RowsWithoutACursorAreCountedApart) {
  FingerprintBuilder builder({1}, 0, kHour);
  auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  ASSERT_TRUE(builder.Add(*Batch({Values(type, "[null, 5, null, null, 7]")})).ok());
  EXPECT_EQ(builder.rows_without_bucket(), 3);
  EXPECT_EQ(builder.buckets().at(0).rows, 2);
}

TEST(BucketFingerprints, NanosecondsFallIntoTheSameHours) {
  std::vector<BucketRun> runs;
  auto nanos = Values(arrow::timestamp(arrow::TimeUnit::NANO), "[-1, 0, 3599999999999, 3600000000000, 0]");
  ASSERT_TRUE(FindBucketRuns(*nanos, kHour, 0, 5, runs).ok());
  std::vector<TimestampMicros> buckets;
  for (const BucketRun& run : runs) buckets.push_back(run.bucket);
  EXPECT_EQ(buckets, (std::vector<TimestampMicros>{-kHour, 0, kHour, 0}));
  EXPECT_EQ(runs[1].end - runs[1].begin, 2);
  EXPECT_EQ(KindOf(FindBucketRuns(*Values(arrow::int64(), "[1]"), kHour, 0, 1, runs)), ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace calve::fingerprint
