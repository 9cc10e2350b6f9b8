// The quick way yields what the general way yields, or leaves the document to it.
#include "calve/iceberg/long_lists.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "calve/iceberg/metadata_json.h"
#include "calve/iceberg/testing_metadata.h"

namespace calve::iceberg {
namespace {

using nlohmann::json;

std::string Outcome(const Result<TableMetadata>& metadata) {
  return metadata.ok() ? WriteTableMetadata(*metadata) : metadata.status().ToString();
}

std::string InTheGeneralWay(std::string_view text) {
  auto document = ParseJson(text);
  return document.ok() ? Outcome(ReadTableMetadata(JsonNode(*document))) : document.status().ToString();
}

void ExpectSame(std::string_view text) { EXPECT_EQ(Outcome(ParseTableMetadata(text)), InTheGeneralWay(text)) << text; }

TEST(LongLists, AreReadFromWhatWritersWrite) {
  for (std::string_view text : {kV1OldestJson, kV1Json, kV2Json, kClickHouseNewJson}) ExpectSame(text);
  const std::string ours = WriteTableMetadata(MetadataWithSnapshots(50));
  ExpectSame(ours);
  ExpectSame(json::parse(ours).dump(2));
  auto lists = TakeLongLists(ours);
  ASSERT_TRUE(lists.has_value());
  EXPECT_EQ(lists->snapshots->size(), 50u);
  EXPECT_EQ(lists->snapshot_log->size(), 50u);
  EXPECT_LT(lists->rest.size(), ours.size() / 2);
  EXPECT_FALSE(json::parse(lists->rest).contains("snapshots"));
}

// kV2Json with one member of its second snapshot, or the log's, replaced by JSON text.
std::string With(const char* pointer, const std::string& value) {
  json document = json::parse(kV2Json);
  document[json::json_pointer(pointer)] = "PUT IT HERE";
  std::string text = document.dump();
  const std::string mark = "\"PUT IT HERE\"";
  return text.replace(text.find(mark), mark.size(), value);
}

TEST(LongLists, UnusualValuesAreLeftToTheGeneralWay) {
  for (const char* value : {"1", "-1", "0", "01", "-0", "1.0", "1e3", "null", "true", "\"1\"", "9223372036854775807",
                            "9223372036854775808", "-", "{}", "[]", ""}) {
    for (const char* pointer : {"/snapshots/1/snapshot-id", "/snapshots/1/parent-snapshot-id",
                                "/snapshots/1/sequence-number", "/snapshots/1/timestamp-ms", "/snapshots/1/schema-id",
                                "/snapshot-log/0/timestamp-ms", "/snapshot-log/1/snapshot-id"}) {
      ExpectSame(With(pointer, value));
    }
  }
  for (const char* value : {R"("a\"b")", R"("\u00e9\ud83d\ude00")", "\"\xc3\xa9\"", "\"\xc3\"", "\"\x01\"", "\"\"", "5",
                            "null", "{\"a\":1}", "\"x"}) {
    for (const char* pointer :
         {"/snapshots/1/manifest-list", "/snapshots/1/summary/added-records", "/snapshots/1/summary",
          "/snapshots/1/later", "/snapshots/1", "/snapshots", "/snapshot-log", "/snapshot-log/0"}) {
      ExpectSame(With(pointer, value));
    }
  }
}

TEST(LongLists, DoubledMembersCountAsTheGeneralWayCountsThem) {
  const std::string text(kV2Json);
  const std::string end = text.substr(0, text.rfind('}'));
  ExpectSame(end + R"(,"snapshots":[]})");
  ExpectSame(end + R"(,"snapshot-log":[]})");
  ExpectSame(end + R"(,"location":"elsewhere"})");
  ExpectSame(text + " x");
  ExpectSame(With("/snapshots/1/summary", R"({"operation":"append","operation":"delete","a":"1","a":"2"})"));
  ExpectSame(With("/snapshots/0",
                  R"({"snapshot-id":3051729675574597004,"timestamp-ms":1,"timestamp-ms":2,"summary":{"b":"1","a":"2"},
    "sequence-number":0,"manifest-list":"x","manifest-list":"y"})"));
}

TEST(LongLists, DamagedTextIsJudgedAlike) {
  const std::string text = json::parse(kV2Json).dump();
  const std::string bytes = "\"\\,}0\x01\xff";
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = bytes[i % bytes.size()];
    ASSERT_EQ(Outcome(ParseTableMetadata(damaged)), InTheGeneralWay(damaged)) << damaged;
  }
  for (size_t length = 0; length < text.size(); length += 11) ExpectSame(std::string_view(text).substr(0, length));
}

TEST(LongLists, ALongHistoryIsWalkedStepByStep) {
  TableMetadata metadata = MetadataWithSnapshots(5'000);
  const Snapshot* step = metadata.CurrentSnapshot();
  for (int i = 1; i < 5'000; ++i) step = metadata.ParentOf(*step);
  EXPECT_EQ(step->snapshot_id, 1);
  EXPECT_EQ(metadata.ParentOf(*step), nullptr);
  std::swap(metadata.snapshots.Edit(4),
            metadata.snapshots.Edit(9));  // snapshots 5 and 10: no writer has to keep the order
  EXPECT_EQ(metadata.ParentOf(*metadata.FindSnapshot(10))->snapshot_id, 9);
  const Snapshot copy = *metadata.FindSnapshot(7);
  EXPECT_EQ(metadata.ParentOf(copy)->snapshot_id, 6);
}

}  // namespace
}  // namespace calve::iceberg
