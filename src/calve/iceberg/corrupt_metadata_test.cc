// Metadata that is not what it claims to be: an error that names the place, never a crash, a throw or a table.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "calve/iceberg/table_metadata.h"
#include "calve/iceberg/testing_metadata.h"

namespace calve::iceberg {
namespace {

using nlohmann::json;

void ExpectCorrupt(std::string_view text, std::string_view place) {
  auto metadata = ParseTableMetadata(text);
  ASSERT_FALSE(metadata.ok()) << place << "\n" << text;
  EXPECT_EQ(KindOf(metadata.status()), ErrorKind::kCorrupt) << metadata.status().ToString();
  EXPECT_NE(MessageOf(metadata.status()).find(place), std::string::npos) << MessageOf(metadata.status());
}

TEST(CorruptMetadata, NotJson) {
  for (const char* text :
       {"", " ", "{", "nul", "{\"a\":}", "{} x", "\xff\xfe", "{\"a\":\"\x01\"}", "{\"a\":\"\xc3(\"}", "1e999999"}) {
    ExpectCorrupt(text, "not JSON");
  }
  for (const char* text : {"[]", "null", "1", "\"x\""}) ExpectCorrupt(text, "$: an object expected");
}

TEST(CorruptMetadata, DeepNestingIsRefusedBeforeTheStackEnds) {
  for (const char* open : {"[", "{\"a\":", "[[{\"b\":"}) {
    std::string text;
    for (int i = 0; i < 1'000'000; ++i) text += open;
    ExpectCorrupt(text, "nested deeper");
  }
  // Brackets inside strings are not nesting.
  json document = json::parse(kV2Json);
  document["properties"]["brackets"] = std::string(10'000, '[') + "\\\"";
  EXPECT_TRUE(ParseTableMetadata(document.dump()).ok());
}

struct Change {
  const char* pointer;  // JSON pointer of the member to set
  const char* value;    // JSON; null removes it
  const char* place;    // what the message must name
};

TEST(CorruptMetadata, EachMemberIsChecked) {
  for (const Change& change : {
           Change{"/format-version", nullptr, "'format-version' is missing"},
           Change{"/format-version", "\"2\"", "$.format-version: an integer expected, string found"},
           Change{"/format-version", "2.5", "$.format-version"},
           Change{"/table-uuid", nullptr, "'table-uuid'"},
           Change{"/table-uuid", "5", "$.table-uuid: a string expected"},
           Change{"/location", nullptr, "'location'"},
           Change{"/last-sequence-number", nullptr, "'last-sequence-number'"},
           Change{"/last-sequence-number", "-1", "'last-sequence-number' is negative"},
           Change{"/last-updated-ms", "18446744073709551615", "$.last-updated-ms: a 64-bit integer"},
           Change{"/last-updated-ms", "1e30", "$.last-updated-ms"},
           Change{"/last-column-id", "2147483648", "$.last-column-id: 2147483648 does not fit 32 bits"},
           Change{"/schemas", nullptr, "'schemas' is missing"},
           Change{"/schemas", "{}", "$.schemas: an array expected"},
           Change{"/schemas", "[]", "current-schema-id is 1"},
           Change{"/schemas/0", "5", "$.schemas[0]"},
           Change{"/schemas/0/type", "\"list\"", "$.schemas[0]: a schema is a struct"},
           Change{"/schemas/0/fields", nullptr, "$.schemas[0]: 'fields' is missing"},
           Change{"/schemas/0/fields/0", "null", "$.schemas[0].fields[0]"},
           Change{"/schemas/0/fields/0/id", "-1", "$.schemas[0].fields[0].id"},
           Change{"/schemas/0/fields/0/id", "\"1\"", "$.schemas[0].fields[0].id"},
           Change{"/schemas/0/fields/0/name", nullptr, "$.schemas[0].fields[0]: 'name'"},
           Change{"/schemas/0/fields/0/required", "1", "$.schemas[0].fields[0].required: true or false expected"},
           Change{"/schemas/0/fields/0/type", "\"int128\"", "$.schemas[0].fields[0].type: 'int128'"},
           Change{"/schemas/0/fields/0/type", "[]", "$.schemas[0].fields[0].type"},
           Change{"/schemas/0/fields/0/type", "{\"type\":\"set\"}", "'set' is not an Iceberg type"},
           Change{"/schemas/1/fields/1/id", "1", "$.schemas[1]: two fields have id 1"},
           Change{"/schemas/1/fields/3/type/element-id", "1", "two fields have id 1"},
           Change{"/schemas/1/fields/3/type/element", nullptr, "$.schemas[1].fields[3].type: 'element' is missing"},
           Change{"/schemas/1/fields/4/type/value-required", nullptr, "'value-required' is missing"},
           Change{"/schemas/1/identifier-field-ids", "[99]", "$.schemas[1].identifier-field-ids[0]"},
           Change{"/current-schema-id", "7", "current-schema-id is 7"},
           Change{"/partition-specs", nullptr, "'partition-specs' is missing"},
           Change{"/partition-specs/0/fields", "5", "$.partition-specs[0].fields: an array"},
           Change{"/partition-specs/0/fields/0/source-id", nullptr, "'source-ids' is missing"},
           Change{"/partition-specs/0/fields/1/source-ids", "[]", "$.partition-specs[0].fields[1].source-ids"},
           Change{"/partition-specs/0/fields/0/transform", "null", "'transform' is missing"},
           Change{"/partition-specs/0/fields/1/field-id", "1000", "two fields have id 1000"},
           Change{"/default-spec-id", "9", "default-spec-id is 9"},
           Change{"/sort-orders/0/fields/0/direction", "\"up\"", "$.sort-orders[0].fields[0]: direction"},
           Change{"/sort-orders/0/fields/0/null-order", "\"none\"", "$.sort-orders[0].fields[0]: null-order"},
           Change{"/default-sort-order-id", "8", "default-sort-order-id is 8"},
           Change{"/properties", "[]", "$.properties: an object expected"},
           Change{"/properties/nested", "{}", "$.properties: 'nested'"},
           Change{"/current-snapshot-id", "5", "branch main is at"},
           Change{"/current-snapshot-id", "\"x\"", "$.current-snapshot-id"},
           Change{"/snapshots", "7", "$.snapshots: an array"},
           Change{"/snapshots", "[]", "which no snapshot has"},
           Change{"/snapshots/0/snapshot-id", "3055729675574597004", "two snapshots have id"},
           Change{"/snapshots/0/manifest-list", nullptr, "$.snapshots[0]: 'manifest-list' is missing"},
           Change{"/snapshots/0/timestamp-ms", "null", "$.snapshots[0]: 'timestamp-ms' is missing"},
           Change{"/snapshots/1/sequence-number", "-5", "$.snapshots[1]: 'sequence-number' is negative"},
           Change{"/snapshots/1/summary", "\"append\"", "$.snapshots[1].summary: an object"},
           Change{"/snapshot-log", "{}", "$.snapshot-log"},
           Change{"/snapshot-log/1/snapshot-id", "true", "$.snapshot-log[1].snapshot-id"},
           Change{"/metadata-log/0/metadata-file", nullptr, "$.metadata-log[0]: 'metadata-file'"},
           Change{"/refs", "[]", "$.refs: an object"},
           Change{"/refs/test/type", "\"fork\"", "$.refs.test: type is branch or tag"},
           Change{"/refs/test/snapshot-id", nullptr, "$.refs.test: 'snapshot-id'"},
           Change{"/refs/main", "null", "'main' is missing"},
       }) {
    json document = json::parse(kV2Json);
    json::json_pointer pointer{change.pointer};
    if (change.value) {
      document[pointer] = json::parse(change.value);
    } else {
      document[pointer.parent_pointer()].erase(pointer.back());
    }
    ExpectCorrupt(document.dump(), change.place);
  }
}

// Whatever comes back, it is an error or metadata that can be written and read again.
void ExpectSane(const std::string& text) {
  auto metadata = ParseTableMetadata(text);
  if (!metadata.ok()) {
    ErrorKind kind = KindOf(metadata.status());
    EXPECT_TRUE(kind == ErrorKind::kCorrupt || kind == ErrorKind::kUnsupported) << metadata.status().ToString();
    return;
  }
  std::string written = WriteTableMetadata(*metadata);
  auto again = ParseTableMetadata(written);
  ASSERT_TRUE(again.ok()) << again.status().ToString() << "\n" << written;
  EXPECT_EQ(WriteTableMetadata(*again), written);
}

TEST(CorruptMetadata, TruncatedAtEveryByte) {
  for (std::string_view text : {kV2Json, kV1OldestJson}) {
    for (size_t size = 0; size < text.size(); ++size) {
      ASSERT_FALSE(ParseTableMetadata(text.substr(0, size)).ok()) << size;
    }
  }
}

TEST(CorruptMetadata, MutatedAtEveryByte) {
  constexpr std::string_view kBytes = "\"-9,}]{\\ x\x80";
  for (std::string_view original : {kV2Json, kV1OldestJson}) {
    std::string text = json::parse(original).dump();
    for (size_t i = 0; i < text.size(); ++i) {
      for (size_t k : {i, i * 7 + 3}) {
        std::string mutated = text;
        mutated[i] = kBytes[k % kBytes.size()];
        ExpectSane(mutated);
      }
      ExpectSane(text.substr(0, i) + text.substr(i + 1));
    }
  }
}

TEST(CorruptMetadata, EveryValueReplacedByEveryKind) {
  const json original = json::parse(kV2Json);
  const std::vector<json> values = {
      nullptr, true, -1, 0, 1.5, INT64_MAX, UINT64_MAX, "x", json::array(), json::object(), json::array({nullptr})};
  const json flat = original.flatten();
  std::set<std::string> seen;
  for (const auto& [pointer, unused] : flat.items()) {
    for (json::json_pointer at{pointer}; !at.empty() && seen.insert(at.to_string()).second; at = at.parent_pointer()) {
      for (const json& value : values) {
        json document = original;
        document[at] = value;
        ExpectSane(document.dump());
      }
    }
  }
}

}  // namespace
}  // namespace calve::iceberg
