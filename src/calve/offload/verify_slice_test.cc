#include "calve/offload/verify_slice.h"

#include <gtest/gtest.h>

namespace calve::offload {
namespace {

constexpr const char* kVerifyPlan = "file:///w/t/calve-plans/0b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a.json";

VerifyHeader SomeHeader() {
  VerifyHeader header;
  header.id = "0b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a";
  header.made_at = 1'700'000'000'123'456;
  header.slices = 2;
  header.target = {{"a.b", "c"}, "t"};
  header.planned_sequence_number = 7;
  header.asked = "from - to - ";
  header.bucket_micros = kMicrosPerDay;
  header.example_rows = 3;
  header.strict = true;
  header.settings = {{"max_threads", "2"}};
  VerifyPlan& plan = header.plan;
  plan.select = SliceSelect{"SELECT `ts` FROM t WHERE ", " AND 'é\"'"};
  plan.cursor = {"ts", 3, true, true};
  plan.replicas = std::make_shared<const source::ShardServers>(source::ShardServers{{"a:8123", "b:8123"}, {"c:8123"}});
  plan.expires = true;
  plan.snapshot_id = 5;
  plan.watermark = -3;
  plan.retired_to = 9;
  plan.schema.fields = {{1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz), ""},
                        {2, "fee", false, iceberg::Type::Of(iceberg::TypeId::kLong), ""}};
  plan.cursor_index = 0;
  plan.key = {0};
  plan.core = {0};
  plan.late = {1};
  plan.target.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
  plan.target.location = "file:///w/t";
  plan.target.last_column_id = 2;
  plan.target.schemas = {plan.schema};
  plan.target.partition_specs = {{}};
  plan.target.sort_orders = {{}};
  header.identity = {"SELECT 'which'", "that one"};
  header.result.table = "db.t";
  header.result.up_to = 11;
  header.result.rows_null_cursor = 4;
  header.result.columns_not_compared = {"venue"};
  header.result.notes = {"first", "second"};
  return header;
}

BucketResult SomeBucket(TimestampMicros start) {
  BucketResult bucket;
  bucket.start = start;
  bucket.rows_hot = 5;
  bucket.rows_cold = 6;
  bucket.missing = 1;
  bucket.extra = 2;
  bucket.changed = 3;
  bucket.duplicates = 4;
  bucket.defaulted = 5;
  bucket.extra_allowed = true;
  bucket.different = true;
  bucket.columns = {"fee"};
  bucket.examples = {{fingerprint::FindingKind::kChanged, {{"ts", "1\n\"2\""}}, {{"fee", "hot", "cold"}}},
                     {fingerprint::FindingKind::kDefaulted, {}, {}}};
  return bucket;
}

VerifiedSlice SomeVerified(int64_t slice) {
  VerifiedSlice verified;
  verified.origin = {kVerifyPlan, "a.t", kVerifyJob, slice};
  verified.attempt = "1b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a";
  verified.compared = {
      10 + slice, 20 + slice, 2, {SomeBucket(slice * kMicrosPerDay)}, {"note " + std::to_string(slice)}};
  verified.seconds = 1.5;
  return verified;
}

TEST(VerifySlice, TheHeaderReadsAsItWasWritten) {
  const VerifyHeader header = SomeHeader();
  const std::string text = WriteVerifyHeader(header);
  const auto read = ParseVerifyHeader(text);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(WriteVerifyHeader(*read), text);
  EXPECT_EQ(read->target, header.target);
  EXPECT_EQ(*read->plan.replicas, *header.plan.replicas);
  EXPECT_EQ(read->identity.query, header.identity.query);
  EXPECT_EQ(read->identity.answer, header.identity.answer);
  EXPECT_EQ(read->plan.select->Of("x"), header.plan.select->Of("x"));
  EXPECT_EQ(read->plan.column_ids, (std::vector<int>{1, 2}));
  EXPECT_EQ(read->result.columns, (std::vector<std::string>{"ts", "fee"}));
  EXPECT_EQ(read->result.key, (std::vector<std::string>{"ts"}));
  EXPECT_EQ(read->result.notes, header.result.notes);
  EXPECT_EQ(read->request().settings, header.settings);
  // Cut off anywhere, it is no header; and indexes must be those of columns.
  for (size_t size = 0; size < text.size(); size += 97) EXPECT_FALSE(ParseVerifyHeader(text.substr(0, size)).ok());
  VerifyHeader wrong = header;
  wrong.plan.late = {2};
  EXPECT_EQ(KindOf(ParseVerifyHeader(WriteVerifyHeader(wrong)).status()), ErrorKind::kCorrupt);
}

TEST(VerifySlice, LinesReadAsTheyWereWritten) {
  VerifySlice slice{{kVerifyPlan, "a.t", kVerifyJob, 1}, 2, 30, {{std::nullopt, 5}, {7, 9}}, {}};
  const auto line = WriteVerifySlice(slice, {});
  ASSERT_TRUE(line.ok());
  const auto read = ParseVerifySlice(*line, {});
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->ranges, slice.ranges);
  EXPECT_EQ(*WriteVerifySlice(*read, {}), *line);
  const std::string verified = WriteVerifiedSlice(SomeVerified(1));
  EXPECT_EQ(verified.find('\n'), std::string::npos);
  auto again = ParseVerifiedSlice(verified);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  again->seconds = SomeVerified(1).seconds;  // for people alone
  EXPECT_EQ(WriteVerifiedSlice(*again), verified);
  EXPECT_EQ(again->compared.differences[0].examples[0].key, SomeBucket(0).examples[0].key);
}

TEST(SumVerified, AddsUpInTheOrderOfTime) {
  const auto sum = SumVerified(SomeHeader(), {SomeVerified(1), SomeVerified(0)});
  ASSERT_TRUE(sum.ok()) << sum.status().ToString();
  EXPECT_EQ(sum->rows_hot, 21);
  EXPECT_EQ(sum->rows_cold, 41);
  EXPECT_EQ(sum->buckets, 4);
  ASSERT_EQ(sum->differences.size(), 2u);
  EXPECT_EQ(sum->differences[0].start, 0);
  EXPECT_EQ(sum->notes, (std::vector<std::string>{"first", "second", "note 0", "note 1"}));
}

TEST(SumVerified, RefusesWhatIsNotEachSliceOnce) {
  auto other = SomeVerified(1);
  other.origin.plan = "file:///w/t/calve-plans/1b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a.json";
  const std::vector<std::pair<std::vector<VerifiedSlice>, std::string>> cases = {
      {{SomeVerified(0)}, "1 of 2 slices are missing: 1"},
      {{SomeVerified(0), SomeVerified(1), SomeVerified(0)}, "slice 0 is there twice"},
      {{SomeVerified(0), SomeVerified(2)}, "there is no slice 2"},
      {{SomeVerified(0), other}, "of the plan"}};
  for (const auto& [slices, words] : cases) {
    const auto sum = SumVerified(SomeHeader(), slices);
    EXPECT_EQ(KindOf(sum.status()), ErrorKind::kConfig);
    EXPECT_NE(sum.status().ToString().find(words), std::string::npos) << sum.status().ToString();
  }
}

TEST(BoundExamples, CountsStayAndANoteTells) {
  ComparedRange compared = SomeVerified(0).compared;
  BoundExamples(1'000, compared);
  EXPECT_EQ(compared.differences[0].examples.size(), 2u);
  compared.differences.push_back(SomeBucket(kMicrosPerDay));
  BoundExamples(200, compared);
  EXPECT_EQ(compared.differences[1].examples.size(), 0u);
  EXPECT_EQ(compared.differences[1].missing, 1);
  EXPECT_NE(compared.notes.back().find("left out"), std::string::npos);
}

}  // namespace
}  // namespace calve::offload
