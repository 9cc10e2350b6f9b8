// Reading what a snapshot consists of: its manifests, and their entries.
#pragma once

#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::table {

// The rows of a snapshot's manifest list. Counts that an old writer left out are filled in from the manifest itself; so
// is everything for the manifests that a v1 snapshot names directly. kCorrupt names the file.
Result<std::vector<iceberg::ManifestFile>> ReadManifests(storage::FileIO& file_io,
                                                         const iceberg::TableMetadata& metadata,
                                                         const iceberg::Snapshot& snapshot);

// A manifest's entries, inherited values filled in.
Result<std::vector<iceberg::ManifestEntry>> ReadEntries(storage::FileIO& file_io,
                                                        const iceberg::TableMetadata& metadata,
                                                        const iceberg::ManifestFile& manifest);

// A manifest without live files says nothing to readers of a later snapshot (Java: MergingSnapshotProducer.shouldKeep).
bool HasLiveFiles(const iceberg::ManifestFile& manifest);

// Whether every partition value in it can be written again as it was: not where it is encrypted, or of a transform that
// is not known.
bool CanRewriteManifest(const iceberg::TableMetadata& metadata, const iceberg::ManifestFile& manifest);

// The current schema, or another of the table's where the current one lacks a column that the spec is made from.
const iceberg::Schema& SchemaFor(const iceberg::TableMetadata& metadata, const iceberg::PartitionSpec& spec);

}  // namespace calve::table
