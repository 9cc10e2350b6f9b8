// The columns of a file under the names and types of a schema. Spec: "Column Projection".
#pragma once

#include <arrow/record_batch.h>
#include <parquet/arrow/schema.h>

#include <memory>
#include <string>
#include <vector>

#include "calve/datafile/cast.h"
#include "calve/iceberg/type.h"

namespace calve::datafile {

// A column of the request in one file.
struct ProjectedColumn {
  CastSite site;
  bool required = false;
  // Among the top-level fields of the file's Arrow schema; -1: the file lacks it.
  int file_field = -1;
  int leaf = -1;            // its Parquet column, for a primitive one
  std::vector<int> leaves;  // the Parquet columns to read for it
  Cast cast;
};

// Finds columns by field id; in a file without any, by name. Parts of structs, lists and maps likewise.
class ColumnProjection {
 public:
  // `manifest` must outlive it.
  ColumnProjection(const parquet::arrow::SchemaManifest& manifest, bool keep_dictionaries);

  // kUnsupported where a type does not promote; kCorrupt where a required column is missing or two have the same id.
  Result<ProjectedColumn> Project(const iceberg::NestedField& field) const;
  // The top-level field of that id; null where there is none.
  const parquet::arrow::SchemaField* Find(int field_id) const;
  bool has_ids() const { return has_ids_; }

 private:
  Result<int> FindIn(const std::vector<parquet::arrow::SchemaField>& fields, const iceberg::NestedField& target,
                     const std::string& path) const;
  Result<Cast> Plan(const CastSite& site, const std::shared_ptr<arrow::DataType>& type,
                    const parquet::arrow::SchemaField& source, std::vector<int>& leaves) const;
  Result<Cast> PlanStruct(const CastSite& site, const std::shared_ptr<arrow::DataType>& type,
                          const parquet::arrow::SchemaField& source, std::vector<int>& leaves) const;
  Result<Cast> PlanList(const CastSite& site, const std::shared_ptr<arrow::DataType>& type,
                        const parquet::arrow::SchemaField& source, std::vector<int>& leaves) const;
  Result<Cast> PlanMap(const CastSite& site, const std::shared_ptr<arrow::DataType>& type,
                       const parquet::arrow::SchemaField& source, std::vector<int>& leaves) const;
  // A list's element, a map's key or value: what it is follows from its place.
  Result<Cast> PlanInner(const CastSite& site, const iceberg::NestedField& target,
                         const std::shared_ptr<arrow::DataType>& type, const parquet::arrow::SchemaField& source,
                         std::vector<int>& leaves) const;

  const parquet::arrow::SchemaManifest& manifest_;
  const bool keep_dictionaries_;
  bool has_ids_ = false;
};

// The column as the request has it, of a batch whose columns are the file's fields `fields` (ascending). kCorrupt for
// nulls in a required column.
Result<std::shared_ptr<arrow::Array>> ProjectArray(const ProjectedColumn& column, const std::vector<int>& fields,
                                                   const arrow::RecordBatch& batch);

}  // namespace calve::datafile
