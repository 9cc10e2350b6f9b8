#include "calve/offload/offload_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "calve/iceberg/metadata_json.h"

namespace calve::offload {
namespace {

using iceberg::JsonNode;
using iceberg::JsonWriter;

constexpr int kPlanFormat = 1;
// Blocks that wait for the encoder: enough to even out the two sides. More would only be touched, never waited for.
constexpr int64_t kSliceQueueBytesMax = 32 << 20;

void PutTime(const char* name, const std::optional<TimestampMicros>& time, JsonWriter& writer) {
  writer.Key(name);
  time ? writer.String(FormatTimestamp(*time)) : writer.Null();
}

Result<std::optional<TimestampMicros>> FindTime(const JsonNode& node, const char* name) {
  const auto member = node.Find(name);
  if (!member) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const std::string text, member->AsString());
  auto time = ParseTimestamp(text);
  if (!time.ok()) return member->Error(MessageOf(time.status()));
  return *time;
}

void PutSelect(const char* name, const SliceSelect& select, JsonWriter& writer) {
  writer.Key(name);
  writer.BeginObject();
  writer.Field("head", select.head);
  writer.Field("tail", select.tail);
  writer.EndObject();
}

Result<SliceSelect> GetSelect(const JsonNode& node, const char* name) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode member, node.Get(name));
  SliceSelect select;
  ARROW_ASSIGN_OR_RAISE(select.head, member.GetString("head"));
  ARROW_ASSIGN_OR_RAISE(select.tail, member.GetString("tail"));
  return select;
}

Status ReadTarget(const JsonNode& root, OffloadPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode target, root.Get("target"));
  ARROW_RETURN_NOT_OK(target.ForEach([&](const JsonNode& part) -> Status {
    ARROW_ASSIGN_OR_RAISE(plan.target.levels.emplace_back(), part.AsString());
    return Status::OK();
  }));
  if (plan.target.levels.size() < 2) return target.Error("is no namespace and name");
  plan.target.name = std::move(plan.target.levels.back());
  plan.target.levels.pop_back();
  ARROW_ASSIGN_OR_RAISE(plan.table_uuid, root.GetString("table_uuid"));
  ARROW_ASSIGN_OR_RAISE(plan.planned_sequence_number, root.GetInt64("planned_sequence_number"));
  ARROW_ASSIGN_OR_RAISE(plan.data_location, root.GetString("data_location"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode properties, root.Get("properties"));
  ARROW_ASSIGN_OR_RAISE(plan.properties, iceberg::ReadStringMap(properties));
  ARROW_ASSIGN_OR_RAISE(const JsonNode schema, root.Get("schema"));
  ARROW_ASSIGN_OR_RAISE(plan.schema, iceberg::ReadSchema(schema));
  ARROW_ASSIGN_OR_RAISE(const JsonNode spec, root.Get("partition_spec"));
  ARROW_ASSIGN_OR_RAISE(plan.spec, iceberg::ReadPartitionSpec(spec));
  ARROW_ASSIGN_OR_RAISE(plan.sort_order_id, root.GetInt("sort_order_id"));
  return Status::OK();
}

Status ReadSource(const JsonNode& root, OffloadPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(plan.source_table, root.GetString("source_table"));
  ARROW_ASSIGN_OR_RAISE(plan.journal_name, root.GetString("journal_name"));
  ARROW_ASSIGN_OR_RAISE(plan.layer, root.FindString("layer", ""));
  ARROW_ASSIGN_OR_RAISE(plan.stamp.source, root.GetString("source"));
  ARROW_ASSIGN_OR_RAISE(plan.cursor_column, root.GetString("cursor_column"));
  ARROW_ASSIGN_OR_RAISE(plan.sequence_column, root.GetString("sequence_column"));
  if (const auto sequence = root.Find("fingerprint_sequence")) {
    ARROW_ASSIGN_OR_RAISE(plan.fingerprint_sequence, sequence->AsString());
  }
  ARROW_ASSIGN_OR_RAISE(plan.select, GetSelect(root, "select"));
  ARROW_ASSIGN_OR_RAISE(plan.count, GetSelect(root, "count"));
  ARROW_ASSIGN_OR_RAISE(plan.replicas, ReadShardServers(root));
  ARROW_ASSIGN_OR_RAISE(plan.identity, ReadIdentity(root));
  ARROW_ASSIGN_OR_RAISE(const JsonNode settings, root.Get("settings"));
  ARROW_ASSIGN_OR_RAISE(plan.settings, iceberg::ReadStringMap(settings));
  return Status::OK();
}

Status ReadWindow(const JsonNode& root, OffloadPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(plan.window.from, FindTime(root, "window_from"));
  ARROW_ASSIGN_OR_RAISE(const auto to, FindTime(root, "window_to"));
  if (!to) return root.Error("has no window_to");
  plan.window.to = *to;
  plan.stamp.window_from = plan.window.from, plan.stamp.window_to = plan.window.to;
  plan.stamp.commit_id = plan.id;
  ARROW_ASSIGN_OR_RAISE(plan.planned_from, FindTime(root, "watermark"));
  ARROW_ASSIGN_OR_RAISE(plan.start_from, FindTime(root, "start_from"));
  ARROW_ASSIGN_OR_RAISE(plan.adopts_row, root.GetBool("adopts_row"));
  ARROW_ASSIGN_OR_RAISE(const auto made_at, FindTime(root, "made_at"));
  plan.made_at = made_at.value_or(0);
  return Status::OK();
}

}  // namespace

std::string FingerprintText(uint64_t fingerprint) { return fmt::format("{:016x}", fingerprint); }

Result<uint64_t> ReadFingerprint(const JsonNode& node, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode member, node.Get(name));
  ARROW_ASSIGN_OR_RAISE(const std::string text, member.AsString());
  const bool is_hex = text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex) return member.Error("is no fingerprint: 16 hexadecimal digits");
  return std::stoull(text, nullptr, 16);
}

source::QueryOptions QueryOf(const OffloadPlan& plan, const SliceRange& slice) {
  source::QueryOptions options{"", plan.settings};
  options.shard = slice.shard;
  if (!plan.replicas.empty()) options.among = std::make_shared<const source::ShardServers>(plan.replicas);
  return options;
}

Result<SlicePlan> WritingOf(const OffloadPlan& plan, const std::vector<SliceRange>& slices,
                            const SliceWriting& writing) {
  SlicePlan slice;
  for (const SliceRange& range : slices) {
    slice.queries.push_back({plan.select.Of(range.where), QueryOf(plan, range)});
  }
  slice.window = plan.window;
  slice.cursor_column = plan.cursor_column;
  slice.sequence_column = plan.sequence_column;
  if (writing.fingerprints) slice.fingerprint_sequence = plan.fingerprint_sequence;
  slice.write = datafile::WriteContext{plan.schema, plan.spec, writing.data_location, writing.file_prefix};
  datafile::WriterOptions base;
  slice.queue_bytes_max = std::min(writing.memory_bytes / 4, kSliceQueueBytesMax);
  base.memory_bytes = writing.memory_bytes - slice.queue_bytes_max;
  ARROW_ASSIGN_OR_RAISE(slice.writer, datafile::WriterOptionsFromProperties(plan.properties, base));
  slice.writer.sort_order_id = plan.sort_order_id;
  return slice;
}

WindowCommit CommitOf(const OffloadPlan& plan, catalog::LoadedTable table, std::vector<iceberg::DataFile> files,
                      int64_t rows, std::optional<int64_t> max_sequence) {
  WindowCommit commit{plan.target, std::move(table), plan.planned_from, std::move(files), plan.stamp};
  commit.start_from = plan.start_from;
  commit.stamp.max_sequence = max_sequence;
  commit.stamp.rows = rows;
  return commit;
}

Result<iceberg::PartitionTypes> PartitionTypesOf(const OffloadPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(iceberg::Type type, iceberg::PartitionType(plan.spec, plan.schema));
  return iceberg::PartitionTypes{{plan.spec.spec_id, std::move(type)}};
}

std::string WriteOffloadPlan(const OffloadPlan& plan) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("format", kPlanFormat);
  writer.Field("job", "offload");
  writer.Field("plan", plan.id);
  PutTime("made_at", plan.made_at, writer);
  writer.Key("target");
  writer.BeginArray();
  for (const std::string& level : plan.target.levels) writer.String(level);
  writer.String(plan.target.name);
  writer.EndArray();
  writer.Field("table_uuid", plan.table_uuid);
  writer.Field("planned_sequence_number", plan.planned_sequence_number);
  writer.Field("data_location", plan.data_location);
  writer.Field("source_table", plan.source_table);
  writer.Field("journal_name", plan.journal_name);
  writer.Field("source", plan.stamp.source);
  writer.Field("layer", plan.layer);
  PutTime("window_from", plan.window.from, writer);
  PutTime("window_to", plan.window.to, writer);
  PutTime("watermark", plan.planned_from, writer);
  PutTime("start_from", plan.start_from, writer);
  writer.Field("adopts_row", plan.adopts_row);
  writer.Field("cursor_column", plan.cursor_column);
  writer.Field("sequence_column", plan.sequence_column);
  writer.Key("fingerprint_sequence");
  plan.fingerprint_sequence ? writer.String(*plan.fingerprint_sequence) : writer.Null();
  PutSelect("select", plan.select, writer);
  PutSelect("count", plan.count, writer);
  writer.Field("settings", plan.settings);
  WriteShardServers(plan.replicas, writer);
  WriteIdentity(plan.identity, writer);
  writer.Field("slices", plan.slice_count);
  writer.Field("rows", plan.rows);
  writer.Field("fingerprint", FingerprintText(plan.fingerprint));
  writer.Field("properties", plan.properties);
  writer.Field("sort_order_id", plan.sort_order_id);
  writer.Key("partition_spec");
  iceberg::WritePartitionSpec(plan.spec, writer);
  writer.Key("schema");
  iceberg::WriteSchema(plan.schema, writer);
  writer.EndObject();
  return std::move(writer.text());
}

Result<OffloadPlan> ReadOffloadPlan(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(text));
  const JsonNode root(parsed);
  ARROW_ASSIGN_OR_RAISE(const int format, root.GetInt("format"));
  if (format != kPlanFormat) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the plan is of format {}, this calve knows {}", format, kPlanFormat),
                     "Let one version of calve plan, write and commit.");
  }
  OffloadPlan plan;
  ARROW_ASSIGN_OR_RAISE(plan.id, root.GetString("plan"));
  ARROW_RETURN_NOT_OK(ReadTarget(root, plan));
  ARROW_RETURN_NOT_OK(ReadSource(root, plan));
  ARROW_RETURN_NOT_OK(ReadWindow(root, plan));
  ARROW_ASSIGN_OR_RAISE(plan.slice_count, root.GetInt64("slices"));
  ARROW_ASSIGN_OR_RAISE(plan.rows, root.GetInt64("rows"));
  ARROW_ASSIGN_OR_RAISE(plan.fingerprint, ReadFingerprint(root, "fingerprint"));
  return plan;
}

}  // namespace calve::offload
