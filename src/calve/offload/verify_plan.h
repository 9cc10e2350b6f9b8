// What is to be compared with what.
#pragma once

#include "calve/offload/source_select.h"
#include "calve/offload/verify.h"
#include "calve/table/scan.h"

namespace calve::offload {

struct VerifyPlan {
  source::SourceTable table;
  Cursor cursor;
  bool expires = false;  // the source has a TTL
  iceberg::TableMetadata target;
  std::optional<int64_t> snapshot_id;
  std::optional<TimestampMicros> watermark;
  std::optional<TimestampMicros> retired_to;  // rows up to here may have been dropped from hot
  std::vector<SelectedColumn> columns;        // of the SELECT
  iceberg::Schema schema;                     // the columns that are compared
  std::vector<int> column_ids;                // of `schema`
  int cursor_index = -1;                      // in `schema`; -1: no buckets
  std::vector<int> key;                       // indexes in `schema`; empty: whole rows
  std::vector<int> core;                      // without late columns; empty: there are none
  std::vector<int> late;                      // columns that the table got after its first schema
  std::vector<Window> ranges;                 // to read: one, or the sampled buckets
  // Of a cluster: the servers that hold all rows of the ranges, by shard. Null: one server.
  std::shared_ptr<const source::ShardServers> replicas;
  // Of hot's rows. Absent: `table` and `columns` tell.
  std::optional<SliceSelect> select;
  // The files of cold that may hold rows of the ranges, where they are known. Absent: the snapshot's manifests tell.
  std::optional<std::vector<table::ScanTask>> tasks;
  std::vector<std::string> columns_not_compared;
  std::vector<std::string> notes;

  bool unique_key() const { return !key.empty(); }
};

Result<VerifyPlan> PlanVerify(const VerifyContext& context, const VerifyRequest& request);

// What is told of the whole, before anything is compared. Asks the source for rows that have no bucket.
Result<VerifyResult> BeginVerify(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan);

// The runs of buckets of (begin, end) that a sample takes, cut to the window. Pure.
std::vector<Window> SampleBuckets(TimestampMicros begin, TimestampMicros up_to, int64_t bucket_micros, double share,
                                  uint64_t seed);

// Whether the text of a CREATE TABLE gives the table a TTL. Pure.
bool HasTtl(const std::string& create_table);

}  // namespace calve::offload
