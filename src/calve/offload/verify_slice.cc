#include "calve/offload/verify_slice.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/metadata_json.h"
#include "calve/table/scan_task_json.h"

namespace calve::offload {
namespace {

using fingerprint::FindingKind;
using iceberg::JsonNode;
using iceberg::JsonWriter;
using table::ReadTexts;
using table::WriteTexts;

constexpr int64_t kVerifyHeaderVersion = 1;
constexpr std::array<std::pair<FindingKind, const char*>, 5> kFindingNames = {{{FindingKind::kMissing, "missing"},
                                                                               {FindingKind::kExtra, "extra"},
                                                                               {FindingKind::kChanged, "changed"},
                                                                               {FindingKind::kDuplicate, "duplicate"},
                                                                               {FindingKind::kDefaulted, "defaulted"}}};

template <typename Number>
void WriteMaybe(std::string_view key, const std::optional<Number>& value, JsonWriter& writer) {
  if (value) writer.Field(key, static_cast<int64_t>(*value));
}

void WriteIndexes(std::string_view key, const std::vector<int>& indexes, JsonWriter& writer) {
  writer.Key(key);
  writer.BeginArray();
  for (const int index : indexes) writer.Int(index);
  writer.EndArray();
}

// Of the columns that are compared.
Result<std::vector<int>> ReadIndexes(const JsonNode& node, std::string_view key, size_t columns) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode list, node.Get(key));
  std::vector<int> indexes;
  ARROW_RETURN_NOT_OK(list.ForEach([&](const JsonNode& index) -> Status {
    ARROW_ASSIGN_OR_RAISE(indexes.emplace_back(), index.AsInt());
    if (indexes.back() < 0 || static_cast<size_t>(indexes.back()) >= columns) return index.Error("is no column");
    return Status::OK();
  }));
  return indexes;
}

void WriteRequest(const VerifyHeader& header, JsonWriter& writer) {
  writer.Field("bucket_micros", header.bucket_micros);
  writer.Field("example_rows", header.example_rows);
  writer.Field("strict", header.strict);
  writer.Field("settings", header.settings);
}

Status ReadRequest(const JsonNode& root, VerifyHeader& header) {
  ARROW_ASSIGN_OR_RAISE(header.bucket_micros, root.GetInt64("bucket_micros"));
  if (header.bucket_micros <= 0) return root.Error("bucket_micros is not positive");
  ARROW_ASSIGN_OR_RAISE(header.example_rows, root.GetInt64("example_rows"));
  ARROW_ASSIGN_OR_RAISE(header.strict, root.GetBool("strict"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode settings, root.Get("settings"));
  ARROW_ASSIGN_OR_RAISE(header.settings, iceberg::ReadStringMap(settings));
  return Status::OK();
}

void WritePlanMembers(const VerifyPlan& plan, JsonWriter& writer) {
  const SliceSelect select = plan.select ? *plan.select : SelectRowsWhere(plan.table, plan.columns);
  writer.Key("select");
  writer.BeginObject();
  writer.Field("head", select.head);
  writer.Field("tail", select.tail);
  writer.EndObject();
  writer.Key("cursor");
  writer.BeginObject();
  writer.Field("column", plan.cursor.column);
  writer.Field("precision", plan.cursor.precision);
  writer.Field("date_time_64", plan.cursor.is_date_time64);
  writer.Field("nullable", plan.cursor.nullable);
  writer.EndObject();
  WriteShardServers(plan.replicas ? *plan.replicas : source::ShardServers{}, writer);
  writer.Field("expires", plan.expires);
  WriteMaybe("snapshot_id", plan.snapshot_id, writer);
  WriteMaybe("watermark_micros", plan.watermark, writer);
  WriteMaybe("retired_to_micros", plan.retired_to, writer);
  writer.Key("schema");
  iceberg::WriteSchema(plan.schema, writer);
  writer.Field("cursor_index", plan.cursor_index);
  WriteIndexes("key", plan.key, writer);
  WriteIndexes("core", plan.core, writer);
  WriteIndexes("late", plan.late, writer);
  writer.Key("table");
  writer.BeginObject();
  writer.Members(iceberg::WriteTableMetadata(table::WithoutHistory(plan.target)));
  writer.EndObject();
}

Status ReadPlanMembers(const JsonNode& node, VerifyPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode select, node.Get("select"));
  plan.select.emplace();
  ARROW_ASSIGN_OR_RAISE(plan.select->head, select.GetString("head"));
  ARROW_ASSIGN_OR_RAISE(plan.select->tail, select.GetString("tail"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode cursor, node.Get("cursor"));
  ARROW_ASSIGN_OR_RAISE(plan.cursor.column, cursor.GetString("column"));
  ARROW_ASSIGN_OR_RAISE(plan.cursor.precision, cursor.GetInt("precision"));
  ARROW_ASSIGN_OR_RAISE(plan.cursor.is_date_time64, cursor.GetBool("date_time_64"));
  ARROW_ASSIGN_OR_RAISE(plan.cursor.nullable, cursor.GetBool("nullable"));
  ARROW_ASSIGN_OR_RAISE(auto replicas, ReadShardServers(node));
  if (!replicas.empty()) plan.replicas = std::make_shared<const source::ShardServers>(std::move(replicas));
  ARROW_ASSIGN_OR_RAISE(plan.expires, node.GetBool("expires"));
  ARROW_ASSIGN_OR_RAISE(plan.snapshot_id, node.FindInt64("snapshot_id"));
  ARROW_ASSIGN_OR_RAISE(plan.watermark, node.FindInt64("watermark_micros"));
  ARROW_ASSIGN_OR_RAISE(plan.retired_to, node.FindInt64("retired_to_micros"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode schema, node.Get("schema"));
  ARROW_ASSIGN_OR_RAISE(plan.schema, iceberg::ReadSchema(schema));
  const size_t columns = plan.schema.fields.size();
  for (const iceberg::NestedField& field : plan.schema.fields) plan.column_ids.push_back(field.id);
  ARROW_ASSIGN_OR_RAISE(plan.cursor_index, node.GetInt("cursor_index"));
  if (plan.cursor_index < 0 || static_cast<size_t>(plan.cursor_index) >= columns) {
    return node.Error("cursor_index is no column");
  }
  ARROW_ASSIGN_OR_RAISE(plan.key, ReadIndexes(node, "key", columns));
  ARROW_ASSIGN_OR_RAISE(plan.core, ReadIndexes(node, "core", columns));
  ARROW_ASSIGN_OR_RAISE(plan.late, ReadIndexes(node, "late", columns));
  ARROW_ASSIGN_OR_RAISE(const JsonNode target, node.Get("table"));
  ARROW_ASSIGN_OR_RAISE(plan.target, iceberg::ReadTableMetadata(target));
  return Status::OK();
}

void WriteFrame(const VerifyResult& result, JsonWriter& writer) {
  writer.Field("source", result.table);
  WriteMaybe("from_micros", result.from, writer);
  WriteMaybe("up_to_micros", result.up_to, writer);
  writer.Field("rows_null_cursor", result.rows_null_cursor);
  WriteTexts("columns_not_compared", result.columns_not_compared, writer);
  WriteTexts("notes", result.notes, writer);
}

Status ReadFrame(const JsonNode& node, const VerifyHeader& header, VerifyResult& result) {
  ARROW_ASSIGN_OR_RAISE(result.table, node.GetString("source"));
  result.target = header.target.ToString();
  result.snapshot_id = header.plan.snapshot_id;
  result.watermark = header.plan.watermark;
  ARROW_ASSIGN_OR_RAISE(result.from, node.FindInt64("from_micros"));
  ARROW_ASSIGN_OR_RAISE(result.up_to, node.FindInt64("up_to_micros"));
  ARROW_ASSIGN_OR_RAISE(result.rows_null_cursor, node.GetInt64("rows_null_cursor"));
  ARROW_ASSIGN_OR_RAISE(result.columns_not_compared, ReadTexts(node, "columns_not_compared"));
  ARROW_ASSIGN_OR_RAISE(result.notes, ReadTexts(node, "notes"));
  for (const iceberg::NestedField& field : header.plan.schema.fields) result.columns.push_back(field.name);
  for (const int column : header.plan.key) result.key.push_back(result.columns[static_cast<size_t>(column)]);
  return Status::OK();
}

void WriteExample(const ExampleRow& example, JsonWriter& writer) {
  writer.BeginObject();
  for (const auto& [kind, name] : kFindingNames) {
    if (kind == example.kind) writer.Field("kind", name);
  }
  writer.Key("row");
  writer.BeginArray();
  for (const auto& [column, value] : example.key) {
    writer.BeginArray();
    writer.String(column);
    writer.String(value);
    writer.EndArray();
  }
  writer.EndArray();
  writer.Key("differs");
  writer.BeginArray();
  for (const ExampleRow::Values& values : example.differs) {
    writer.BeginArray();
    for (const std::string& text : {values.column, values.hot, values.cold}) writer.String(text);
    writer.EndArray();
  }
  writer.EndArray();
  writer.EndObject();
}

Result<std::vector<std::string>> ReadTuple(const JsonNode& node, size_t size) {
  std::vector<std::string> texts;
  ARROW_RETURN_NOT_OK(node.ForEach([&](const JsonNode& text) -> Status {
    ARROW_ASSIGN_OR_RAISE(texts.emplace_back(), text.AsString());
    return Status::OK();
  }));
  if (texts.size() != size) return node.Error("has another number of texts than it should");
  return texts;
}

Result<ExampleRow> ReadExample(const JsonNode& node) {
  ExampleRow example;
  ARROW_ASSIGN_OR_RAISE(const std::string kind, node.GetString("kind"));
  const auto named = std::find_if(kFindingNames.begin(), kFindingNames.end(),
                                  [&](const auto& finding) { return finding.second == kind; });
  if (named == kFindingNames.end()) return node.Error("has an unknown kind");
  example.kind = named->first;
  ARROW_ASSIGN_OR_RAISE(const JsonNode row, node.Get("row"));
  ARROW_RETURN_NOT_OK(row.ForEach([&](const JsonNode& pair) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto texts, ReadTuple(pair, 2));
    example.key.emplace_back(texts[0], texts[1]);
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(const JsonNode differs, node.Get("differs"));
  ARROW_RETURN_NOT_OK(differs.ForEach([&](const JsonNode& triple) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto texts, ReadTuple(triple, 3));
    example.differs.push_back({texts[0], texts[1], texts[2]});
    return Status::OK();
  }));
  return example;
}

void WriteBucket(const BucketResult& bucket, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("start_micros", bucket.start);
  writer.Field("rows_hot", bucket.rows_hot);
  writer.Field("rows_cold", bucket.rows_cold);
  writer.Field("missing", bucket.missing);
  writer.Field("extra", bucket.extra);
  writer.Field("changed", bucket.changed);
  writer.Field("duplicates", bucket.duplicates);
  writer.Field("defaulted", bucket.defaulted);
  writer.Field("extra_allowed", bucket.extra_allowed);
  writer.Field("different", bucket.different);
  WriteTexts("columns", bucket.columns, writer);
  writer.Key("examples");
  writer.BeginArray();
  for (const ExampleRow& example : bucket.examples) WriteExample(example, writer);
  writer.EndArray();
  writer.EndObject();
}

Result<BucketResult> ReadBucket(const JsonNode& node) {
  BucketResult bucket;
  ARROW_ASSIGN_OR_RAISE(bucket.start, node.GetInt64("start_micros"));
  ARROW_ASSIGN_OR_RAISE(bucket.rows_hot, node.GetInt64("rows_hot"));
  ARROW_ASSIGN_OR_RAISE(bucket.rows_cold, node.GetInt64("rows_cold"));
  ARROW_ASSIGN_OR_RAISE(bucket.missing, node.GetInt64("missing"));
  ARROW_ASSIGN_OR_RAISE(bucket.extra, node.GetInt64("extra"));
  ARROW_ASSIGN_OR_RAISE(bucket.changed, node.GetInt64("changed"));
  ARROW_ASSIGN_OR_RAISE(bucket.duplicates, node.GetInt64("duplicates"));
  ARROW_ASSIGN_OR_RAISE(bucket.defaulted, node.GetInt64("defaulted"));
  ARROW_ASSIGN_OR_RAISE(bucket.extra_allowed, node.GetBool("extra_allowed"));
  ARROW_ASSIGN_OR_RAISE(bucket.different, node.GetBool("different"));
  ARROW_ASSIGN_OR_RAISE(bucket.columns, ReadTexts(node, "columns"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode examples, node.Get("examples"));
  ARROW_RETURN_NOT_OK(examples.ForEach([&](const JsonNode& example) -> Status {
    ARROW_ASSIGN_OR_RAISE(bucket.examples.emplace_back(), ReadExample(example));
    return Status::OK();
  }));
  return bucket;
}

size_t TextSize(const ExampleRow& example) {
  size_t size = 64;
  for (const auto& [column, value] : example.key) size += column.size() + value.size() + 8;
  for (const auto& values : example.differs) {
    size += values.column.size() + values.hot.size() + values.cold.size() + 12;
  }
  return size;
}

}  // namespace

VerifyRequest VerifyHeader::request() const {
  VerifyRequest request;
  request.target = target;
  request.timestamp_column = plan.cursor.column;
  request.bucket_micros = bucket_micros;
  request.example_rows = example_rows;
  request.strict = strict;
  request.settings = settings;
  return request;
}

std::string WriteVerifyHeader(const VerifyHeader& header) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("version", kVerifyHeaderVersion);
  writer.Field("job", "verify");
  writer.Field("id", header.id);
  writer.Field("made_at", FormatTimestamp(header.made_at));
  writer.Field("slices", header.slices);
  WriteTexts("namespace", header.target.levels, writer);
  writer.Field("name", header.target.name);
  writer.Field("planned_sequence_number", header.planned_sequence_number);
  writer.Field("asked", header.asked);
  WriteRequest(header, writer);
  WritePlanMembers(header.plan, writer);
  WriteIdentity(header.identity, writer);
  writer.Key("result");
  writer.BeginObject();
  WriteFrame(header.result, writer);
  writer.EndObject();
  writer.EndObject();
  return std::move(writer.text());
}

Result<VerifyHeader> ParseVerifyHeader(std::string_view json) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(json));
  const JsonNode root(parsed);
  ARROW_ASSIGN_OR_RAISE(const int64_t version, root.GetInt64("version"));
  ARROW_ASSIGN_OR_RAISE(const std::string job, root.GetString("job"));
  if (version != kVerifyHeaderVersion || job != "verify") {
    return MakeError(ErrorKind::kUnsupported, fmt::format("a plan of the job '{}', version {}", job, version),
                     "Plan, compare and sum up with the same version of calve.");
  }
  VerifyHeader header;
  ARROW_ASSIGN_OR_RAISE(header.id, root.GetString("id"));
  ARROW_ASSIGN_OR_RAISE(const std::string made_at, root.GetString("made_at"));
  ARROW_ASSIGN_OR_RAISE(header.made_at, ParseTimestamp(made_at));
  ARROW_ASSIGN_OR_RAISE(header.slices, root.GetInt64("slices"));
  ARROW_ASSIGN_OR_RAISE(header.target.levels, ReadTexts(root, "namespace"));
  ARROW_ASSIGN_OR_RAISE(header.target.name, root.GetString("name"));
  ARROW_ASSIGN_OR_RAISE(header.planned_sequence_number, root.GetInt64("planned_sequence_number"));
  ARROW_ASSIGN_OR_RAISE(header.asked, root.GetString("asked"));
  ARROW_RETURN_NOT_OK(ReadRequest(root, header));
  ARROW_RETURN_NOT_OK(ReadPlanMembers(root, header.plan));
  ARROW_ASSIGN_OR_RAISE(header.identity, ReadIdentity(root));
  ARROW_ASSIGN_OR_RAISE(const JsonNode result, root.Get("result"));
  ARROW_RETURN_NOT_OK(ReadFrame(result, header, header.result));
  return header;
}

Result<std::string> WriteVerifySlice(const VerifySlice& slice, const iceberg::PartitionTypes& types) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(slice.origin, writer);
  writer.Field("of", slice.of);
  writer.Field("rows", slice.rows);
  writer.Key("ranges");
  writer.BeginArray();
  for (const Window& range : slice.ranges) {
    writer.BeginObject();
    if (range.from) writer.Field("after", FormatTimestamp(*range.from));
    writer.Field("up_to", FormatTimestamp(range.to));
    writer.EndObject();
  }
  writer.EndArray();
  ARROW_RETURN_NOT_OK(table::WriteScanTasks(slice.tasks, types, writer));
  writer.EndObject();
  return std::move(writer.text());
}

Result<VerifySlice> ParseVerifySlice(std::string_view line, const iceberg::PartitionTypes& types) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  const JsonNode root(parsed);
  VerifySlice slice;
  ARROW_ASSIGN_OR_RAISE(slice.origin, table::ReadSliceOrigin(root, kVerifyJob));
  ARROW_ASSIGN_OR_RAISE(slice.of, root.GetInt64("of"));
  ARROW_ASSIGN_OR_RAISE(slice.rows, root.GetInt64("rows"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode ranges, root.Get("ranges"));
  ARROW_RETURN_NOT_OK(ranges.ForEach([&](const JsonNode& node) -> Status {
    Window& range = slice.ranges.emplace_back();
    ARROW_ASSIGN_OR_RAISE(const std::string after, node.FindString("after", ""));
    if (!after.empty()) {
      ARROW_ASSIGN_OR_RAISE(range.from, ParseTimestamp(after));
    }
    ARROW_ASSIGN_OR_RAISE(const std::string up_to, node.GetString("up_to"));
    ARROW_ASSIGN_OR_RAISE(range.to, ParseTimestamp(up_to));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(slice.tasks, table::ReadScanTasks(root, types));
  return slice;
}

std::string WriteVerifiedSlice(const VerifiedSlice& slice) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(slice.origin, writer);
  writer.Field("attempt", slice.attempt);
  writer.Field("buckets", slice.compared.buckets);
  writer.Field("rows_hot", slice.compared.rows_hot);
  writer.Field("rows_cold", slice.compared.rows_cold);
  writer.Key("differences");
  writer.BeginArray();
  for (const BucketResult& bucket : slice.compared.differences) WriteBucket(bucket, writer);
  writer.EndArray();
  WriteTexts("notes", slice.compared.notes, writer);
  table::WriteSeconds(slice.seconds, writer);
  writer.EndObject();
  return std::move(writer.text());
}

Result<VerifiedSlice> ParseVerifiedSlice(std::string_view line) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  const JsonNode root(parsed);
  VerifiedSlice slice;
  ARROW_ASSIGN_OR_RAISE(slice.origin, table::ReadSliceOrigin(root, kVerifyJob));
  ARROW_ASSIGN_OR_RAISE(slice.attempt, root.GetString("attempt"));
  ARROW_ASSIGN_OR_RAISE(slice.compared.buckets, root.GetInt64("buckets"));
  ARROW_ASSIGN_OR_RAISE(slice.compared.rows_hot, root.GetInt64("rows_hot"));
  ARROW_ASSIGN_OR_RAISE(slice.compared.rows_cold, root.GetInt64("rows_cold"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode differences, root.Get("differences"));
  ARROW_RETURN_NOT_OK(differences.ForEach([&](const JsonNode& bucket) -> Status {
    ARROW_ASSIGN_OR_RAISE(slice.compared.differences.emplace_back(), ReadBucket(bucket));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(slice.compared.notes, ReadTexts(root, "notes"));
  return slice;
}

void BoundExamples(size_t bytes_max, ComparedRange& compared) {
  size_t bytes = 0, left_out = 0;
  for (BucketResult& bucket : compared.differences) {
    for (const ExampleRow& example : bucket.examples) bytes += TextSize(example);
    if (bytes <= bytes_max) continue;
    left_out += bucket.examples.size();
    bucket.examples.clear();
  }
  if (left_out == 0) return;
  compared.notes.push_back(
      fmt::format("{} example rows from bucket {} on were left out: a slice's line would be too long", left_out,
                  FormatTimestamp(compared.differences.front().start)));
}

Result<VerifyResult> SumVerified(const VerifyHeader& header, std::vector<VerifiedSlice> slices) {
  std::vector<table::SliceOrigin> written;
  for (const VerifiedSlice& slice : slices) written.push_back(slice.origin);
  ARROW_RETURN_NOT_OK(table::CheckEachSliceOnce(header.id, header.slices, written));
  // Slices are numbered by time, as one process goes through the range.
  std::sort(slices.begin(), slices.end(), [](const auto& a, const auto& b) { return a.origin.slice < b.origin.slice; });
  VerifyResult result = header.result;
  for (VerifiedSlice& slice : slices) AddCompared(std::move(slice.compared), result);
  return result;
}

}  // namespace calve::offload
