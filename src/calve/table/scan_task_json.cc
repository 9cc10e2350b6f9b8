#include "calve/table/scan_task_json.h"

#include <map>
#include <string>
#include <utility>

#include "calve/table/snapshot_manifests.h"

namespace calve::table {

using iceberg::DataFile;
using iceberg::JsonNode;
using iceberg::JsonWriter;

iceberg::PartitionTypes PartitionTypesOf(const iceberg::TableMetadata& metadata) {
  iceberg::PartitionTypes types;
  for (const iceberg::PartitionSpec& spec : metadata.partition_specs) {
    auto type = iceberg::PartitionType(spec, SchemaFor(metadata, spec));
    if (type.ok()) types.emplace(spec.spec_id, type.MoveValueUnsafe());
  }
  return types;
}

Status WriteScanTasks(const std::vector<ScanTask>& tasks, const iceberg::PartitionTypes& types, JsonWriter& writer) {
  std::map<std::string, int64_t> numbers;
  std::vector<const DataFile*> deletes;
  for (const ScanTask& task : tasks) {
    for (const DataFile& file : task.deletes) {
      // Vectors of several data files share a file.
      const std::string key = file.file_path + "#" + std::to_string(file.content_offset.value_or(-1));
      if (numbers.emplace(key, static_cast<int64_t>(deletes.size())).second) deletes.push_back(&file);
    }
  }
  writer.Key("delete-files");
  writer.BeginArray();
  for (const DataFile* file : deletes) ARROW_RETURN_NOT_OK(iceberg::WriteDataFile(*file, types, writer));
  writer.EndArray();
  writer.Key("file-scan-tasks");
  writer.BeginArray();
  for (const ScanTask& task : tasks) {
    writer.BeginObject();
    writer.Key("data-file");
    ARROW_RETURN_NOT_OK(iceberg::WriteDataFile(task.file, types, writer));
    if (!task.deletes.empty()) {
      writer.Key("delete-file-references");
      writer.BeginArray();
      for (const DataFile& file : task.deletes) {
        writer.Int(numbers.at(file.file_path + "#" + std::to_string(file.content_offset.value_or(-1))));
      }
      writer.EndArray();
    }
    writer.EndObject();
  }
  writer.EndArray();
  return Status::OK();
}

Result<std::vector<ScanTask>> ReadScanTasks(const JsonNode& node, const iceberg::PartitionTypes& types) {
  std::vector<DataFile> deletes;
  ARROW_ASSIGN_OR_RAISE(const JsonNode delete_files, node.Get("delete-files"));
  ARROW_RETURN_NOT_OK(delete_files.ForEach([&](const JsonNode& file) -> Status {
    ARROW_ASSIGN_OR_RAISE(deletes.emplace_back(), iceberg::ReadDataFile(file, types));
    return Status::OK();
  }));
  std::vector<ScanTask> tasks;
  ARROW_ASSIGN_OR_RAISE(const JsonNode scan_tasks, node.Get("file-scan-tasks"));
  ARROW_RETURN_NOT_OK(scan_tasks.ForEach([&](const JsonNode& task) -> Status {
    ScanTask& read = tasks.emplace_back();
    ARROW_ASSIGN_OR_RAISE(const JsonNode file, task.Get("data-file"));
    ARROW_ASSIGN_OR_RAISE(read.file, iceberg::ReadDataFile(file, types));
    const auto references = task.Find("delete-file-references");
    if (!references) return Status::OK();
    return references->ForEach([&](const JsonNode& reference) -> Status {
      ARROW_ASSIGN_OR_RAISE(const int64_t number, reference.AsInt64());
      if (number < 0 || number >= static_cast<int64_t>(deletes.size())) return reference.Error("is no delete file");
      read.deletes.push_back(deletes[static_cast<size_t>(number)]);
      return Status::OK();
    });
  }));
  return tasks;
}

}  // namespace calve::table
