#include "calve/offload/older_versions.h"

#include <algorithm>

#include "calve/offload/deleted_keys.h"

namespace calve::offload {
namespace {

using fingerprint::RowHash;

// Keys of the rows of a window's files.
Result<std::vector<RowHash>> KeysOf(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan,
                                    const std::vector<iceberg::DataFile>& written) {
  ColdScan scan;
  scan.schema = plan.schema;
  scan.table_schema = plan.target.schema();
  for (const iceberg::DataFile& file : written) scan.tasks.push_back(table::ScanTask{file, 0, {}});
  const int64_t rows = RowsAtMost(scan);
  if (rows > KeysInMemory(request.memory_bytes)) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the keys of the window's {} rows, by which older versions are found, do not fit into "
                                 "half of --memory ({} bytes)",
                                 rows, request.memory_bytes),
                     "Raise --memory, or offload in smaller windows with --until.");
  }
  std::vector<RowHash> keys;
  keys.reserve(static_cast<size_t>(rows));
  fingerprint::RowHasher hasher(plan.column_ids);
  ARROW_RETURN_NOT_OK(ReadColdRows(context.file_io, scan, 1, context.stop, [&](size_t, const auto& batch) -> Status {
    constexpr int64_t kChunk = fingerprint::RowHasher::kChunkRows;
    for (int64_t offset = 0; offset < batch->num_rows(); offset += kChunk) {
      ARROW_RETURN_NOT_OK(hasher.Hash(*batch, offset, std::min(kChunk, batch->num_rows() - offset)));
      keys.insert(keys.end(), hasher.rows().begin(), hasher.rows().end());
    }
    return Status::OK();
  }));
  return keys;
}

}  // namespace

int64_t KeysInMemory(int64_t memory_bytes) { return memory_bytes / 2 / static_cast<int64_t>(sizeof(RowHash)); }

Result<VerifyPlan> PlanByKey(const source::SourceTable& table, const Cursor& cursor,
                             const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                             const std::vector<std::string>& key) {
  VerifyPlan plan;
  plan.table = table;
  plan.cursor = cursor;
  plan.columns = columns;
  plan.target = target;
  plan.snapshot_id = target.current_snapshot_id;
  for (const std::string& name : key) {
    const iceberg::NestedField* field = target.schema().FindField(name);
    if (!field) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("the target lacks {}, which is part of the key that its rows are replaced by", name),
                       "Do not exclude it, or use --mode append.");
    }
    plan.key.push_back(static_cast<int>(plan.schema.fields.size()));
    plan.schema.fields.push_back(*field);
    plan.column_ids.push_back(field->id);
  }
  return plan;
}

Result<RowReplacement::Files> ReplaceOlderVersions(const VerifyContext& context, const VerifyRequest& request,
                                                   const VerifyPlan& plan, const Window& window,
                                                   const std::vector<iceberg::DataFile>& written,
                                                   RowReplacement& replacement) {
  ARROW_ASSIGN_OR_RAISE(auto keys, KeysOf(context, request, plan, written));
  if (MergeRulesOf(plan.table).tells_deletions()) {
    ARROW_RETURN_NOT_OK(
        ForEachDeletedKey(context, request, plan, window, [&](const RowHash& key) { keys.push_back(key); }));
  }
  std::sort(keys.begin(), keys.end());
  if (!keys.empty()) {
    ARROW_RETURN_NOT_OK(replacement.FindColdKeys(
        [&](const RowHash& key) { return std::binary_search(keys.begin(), keys.end(), key); }));
  }
  return replacement.Finish();
}

}  // namespace calve::offload
