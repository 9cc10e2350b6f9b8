#include "calve/offload/slice_lines.h"

#include <nlohmann/json.hpp>

#include "calve/offload/offload_plan.h"

namespace calve::offload {
namespace {

using iceberg::JsonNode;
using iceberg::JsonWriter;

Result<double> GetSeconds(const JsonNode& root) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode seconds, root.Get("seconds"));
  if (!seconds.value().is_number()) return seconds.Error("is no number");
  return seconds.value().get<double>();
}

}  // namespace

std::string WriteSliceLine(const SliceLine& line) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(line.origin, writer);
  writer.Field("of", line.of);
  writer.Field("where", line.range.where);
  writer.Key("shard");
  line.range.shard ? writer.Int(*line.range.shard) : writer.Null();
  writer.Field("rows", line.range.rows);
  writer.Field("fingerprint", FingerprintText(line.range.fingerprint));
  writer.EndObject();
  return std::move(writer.text());
}

Result<std::string> WriteWrittenLine(const WrittenLine& line, const iceberg::PartitionTypes& types) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(line.origin, writer);
  writer.Field("attempt", line.attempt);
  writer.Field("rows", line.rows);
  writer.Field("fingerprint", FingerprintText(line.fingerprint));
  writer.Field("as_planned", line.as_planned);
  writer.Key("max_sequence");
  line.max_sequence ? writer.Int(*line.max_sequence) : writer.Null();
  writer.Field("bytes_read", line.bytes_read);
  table::WriteSeconds(line.seconds, writer);
  writer.Key("files");
  writer.BeginArray();
  for (const iceberg::DataFile& file : line.files) ARROW_RETURN_NOT_OK(iceberg::WriteDataFile(file, types, writer));
  writer.EndArray();
  writer.EndObject();
  return std::move(writer.text());
}

Result<LineOrigin> ReadLineOrigin(std::string_view line) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  return table::ReadSliceOrigin(JsonNode(parsed));
}

Result<SliceLine> ReadSliceLine(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(text));
  const JsonNode root(parsed);
  SliceLine line;
  ARROW_ASSIGN_OR_RAISE(line.origin, table::ReadSliceOrigin(root));
  ARROW_ASSIGN_OR_RAISE(line.of, root.GetInt64("of"));
  ARROW_ASSIGN_OR_RAISE(line.range.where, root.GetString("where"));
  ARROW_ASSIGN_OR_RAISE(line.range.shard, root.FindInt("shard"));
  ARROW_ASSIGN_OR_RAISE(line.range.rows, root.GetInt64("rows"));
  ARROW_ASSIGN_OR_RAISE(line.range.fingerprint, ReadFingerprint(root, "fingerprint"));
  return line;
}

Result<WrittenLine> ReadWrittenLine(std::string_view text, const iceberg::PartitionTypes& types) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(text));
  const JsonNode root(parsed);
  WrittenLine line;
  ARROW_ASSIGN_OR_RAISE(line.origin, table::ReadSliceOrigin(root));
  ARROW_ASSIGN_OR_RAISE(line.attempt, root.GetString("attempt"));
  ARROW_ASSIGN_OR_RAISE(line.rows, root.GetInt64("rows"));
  ARROW_ASSIGN_OR_RAISE(line.fingerprint, ReadFingerprint(root, "fingerprint"));
  ARROW_ASSIGN_OR_RAISE(line.as_planned, root.GetBool("as_planned"));
  ARROW_ASSIGN_OR_RAISE(line.max_sequence, root.FindInt64("max_sequence"));
  ARROW_ASSIGN_OR_RAISE(line.bytes_read, root.GetInt64("bytes_read"));
  ARROW_ASSIGN_OR_RAISE(line.seconds, GetSeconds(root));
  ARROW_ASSIGN_OR_RAISE(const JsonNode files, root.Get("files"));
  ARROW_RETURN_NOT_OK(files.ForEach([&](const JsonNode& file) -> Status {
    ARROW_ASSIGN_OR_RAISE(line.files.emplace_back(), iceberg::ReadDataFile(file, types));
    return Status::OK();
  }));
  return line;
}

}  // namespace calve::offload
