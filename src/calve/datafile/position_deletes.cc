#include "calve/datafile/position_deletes.h"

#include <arrow/array.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <string_view>

#include "calve/datafile/column_projection.h"
#include "calve/datafile/parquet_rows.h"

namespace calve::datafile {
namespace {

using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeId;

constexpr int64_t kBatchRows = 65'536;

// Spec: "Reserved Field IDs".
NestedField FilePathField() { return {2'147'483'546, "file_path", true, Type::Of(TypeId::kString), ""}; }
NestedField PosField() { return {2'147'483'545, "pos", true, Type::Of(TypeId::kLong), ""}; }

// Rows are sorted by path: most row groups of a large delete file are about other files.
bool MayHold(const parquet::ColumnChunkMetaData& chunk, std::string_view path) {
  const auto statistics = chunk.statistics();
  if (!statistics || !statistics->HasMinMax() || chunk.type() != parquet::Type::BYTE_ARRAY) return true;
  const auto& text = static_cast<const parquet::ByteArrayStatistics&>(*statistics);
  return std::string_view(text.min()) <= path && path <= std::string_view(text.max());
}

// Which rows have that path.
std::vector<bool> RowsOf(const arrow::Array& paths, std::string_view path) {
  std::vector<bool> rows(static_cast<size_t>(paths.length()));
  const auto mark = [&](const auto& is_it) {
    for (int64_t i = 0; i < paths.length(); ++i) rows[static_cast<size_t>(i)] = is_it(i);
  };
  if (paths.type_id() != arrow::Type::DICTIONARY) {
    const auto& text = static_cast<const arrow::StringArray&>(paths);
    mark([&](int64_t i) { return text.GetView(i) == path; });
    return rows;
  }
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(paths);
  const auto& text = static_cast<const arrow::StringArray&>(*dictionary.dictionary());
  std::vector<bool> entries;
  for (int64_t i = 0; i < text.length(); ++i) entries.push_back(text.GetView(i) == path);
  mark([&](int64_t i) { return entries[static_cast<size_t>(dictionary.GetValueIndex(i))]; });
  return rows;
}

}  // namespace

Status PositionDeletes::Add(storage::FileIO& file_io, const iceberg::DataFile& deletes, const std::string& data_file) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, ParquetRows::Open(file_io, deletes, /*dictionaries=*/true, kBatchRows));
  return GuardParquet(deletes.file_path, [&]() -> Status {
    const ColumnProjection projection(rows->manifest(), /*keep_dictionaries=*/true);
    ARROW_ASSIGN_OR_RAISE(const ProjectedColumn path, projection.Project(FilePathField()));
    ARROW_ASSIGN_OR_RAISE(const ProjectedColumn pos, projection.Project(PosField()));
    std::vector<int> groups;
    for (int group = 0; group < rows->metadata().num_row_groups(); ++group) {
      if (MayHold(*rows->metadata().RowGroup(group)->ColumnChunk(path.leaf), data_file)) groups.push_back(group);
    }
    const std::vector<int> fields{std::min(path.file_field, pos.file_field), std::max(path.file_field, pos.file_field)};
    rows->Select(std::move(groups), {std::min(path.leaf, pos.leaf), std::max(path.leaf, pos.leaf)});
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (!batch) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(const auto paths, ProjectArray(path, fields, *batch));
      ARROW_ASSIGN_OR_RAISE(const auto values, ProjectArray(pos, fields, *batch));
      const std::vector<bool> own = RowsOf(*paths, data_file);
      const auto& positions = static_cast<const arrow::Int64Array&>(*values);
      for (int64_t i = 0; i < positions.length(); ++i) {
        if (own[static_cast<size_t>(i)]) positions_.push_back(positions.Value(i));
      }
    }
  });
}

void PositionDeletes::Close() { std::sort(positions_.begin(), positions_.end()); }

void PositionDeletes::Apply(int64_t first_row, std::vector<uint8_t>& mask) const {
  const int64_t end = first_row + static_cast<int64_t>(mask.size());
  auto next = std::lower_bound(positions_.begin(), positions_.end(), first_row);
  for (; next != positions_.end() && *next < end; ++next) mask[static_cast<size_t>(*next - first_row)] = 0;
}

}  // namespace calve::datafile
