// Manifests and manifest lists to and from Avro bytes. Spec: "Manifests", "Manifest Lists", appendix A "Avro".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/partition_spec.h"

namespace calve::iceberg {

struct EncodedManifest {
  std::string bytes;
  // Its row of the manifest list: everything but manifest_path, with counts and partition summaries. sequence_number is
  // kUnassignedSequenceNumber (the commit knows it); so is min_sequence_number where no live entry gives one.
  ManifestFile summary;
};

inline constexpr int64_t kUnassignedSequenceNumber = -1;

// Writes a v2 manifest of data files (content "data"), deflate-compressed. ADDED entries are written with a null file
// sequence number, and a null data sequence number unless they give one; EXISTING and DELETED ones must carry explicit
// ones (kFailed otherwise).
Result<EncodedManifest> EncodeManifest(const Schema& schema, const PartitionSpec& spec, int64_t snapshot_id,
                                       std::span<const ManifestEntry> entries);

// Reads a manifest of either content and of v1, v2 or v3, written by anyone: fields by id, unknown ones skipped.
// `spec` must be the manifest's own. Inherited snapshot ids and sequence numbers are filled in from `file` where it is
// given. kCorrupt names the field; a length in the bytes is never trusted.
Result<std::vector<ManifestEntry>> DecodeManifest(std::string_view bytes, const Schema& schema,
                                                  const PartitionSpec& spec, const ManifestFile* file);

// What the header of a manifest says about itself: all that is known of those that a v1 table lists in its metadata.
struct ManifestHeader {
  int spec_id = 0;
  ManifestContent content = ManifestContent::kData;
};
Result<ManifestHeader> DecodeManifestHeader(std::string_view bytes);

// Writes a v2 manifest list. Sequence numbers must have been assigned and counts be known (kFailed otherwise).
Result<std::string> EncodeManifestList(int64_t snapshot_id, std::optional<int64_t> parent_snapshot_id,
                                       int64_t sequence_number, std::span<const ManifestFile> manifests);
Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes);

}  // namespace calve::iceberg
