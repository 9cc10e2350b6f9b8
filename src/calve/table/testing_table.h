// A table in memory for tests: two columns, partitioned by day, and commits applied without a catalog.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calve/storage/testing_memory_file_io.h"
#include "calve/table/snapshot_producer.h"

namespace calve::table {

// At mem://t, partitioned by days(ts); spec 0, schema 0.
iceberg::TableMetadata EmptyTable(const std::map<std::string, std::string>& properties = {});

iceberg::DataFile FileOfDay(const std::string& name, int day, int64_t records = 10, int64_t bytes = 1000);

SnapshotRequest RequestOf(std::vector<iceberg::DataFile> files, const std::string& commit_id);

// Files replaced in the current snapshot of `planned`.
SnapshotRequest Replacing(const iceberg::TableMetadata& planned, std::vector<iceberg::DataFile> removed,
                          std::vector<iceberg::DataFile> added, const std::string& commit_id);

// Checks the requirements and applies the updates, as a catalog does.
Result<iceberg::TableMetadata> Apply(const iceberg::TableMetadata& base, const PreparedSnapshot& prepared);
// One append, committed.
Result<iceberg::TableMetadata> AppendTo(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                        std::vector<iceberg::DataFile> files, const std::string& commit_id);
// Any snapshot, committed.
Result<iceberg::TableMetadata> Commit(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                      SnapshotRequest request);

// What calve never writes: a manifest of delete files, of the table's default spec unless `spec_id` says otherwise.
// Its row of a manifest list has no sequence numbers yet.
iceberg::ManifestFile WriteDeleteManifest(storage::FileIO& file_io, const iceberg::TableMetadata& table,
                                          const std::string& name, const std::vector<iceberg::ManifestEntry>& entries,
                                          int spec_id = 0);
// Another engine's snapshot: these manifests on top of `base`'s; those with sequence number 0 get the new one.
Result<iceberg::TableMetadata> CommitManifests(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                               std::vector<iceberg::ManifestFile> manifests);

}  // namespace calve::table
