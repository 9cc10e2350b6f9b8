#include "calve/catalog/hadoop_publish.h"

#include <fmt/format.h>

#include <algorithm>

#include "calve/catalog/hadoop_renames.h"
#include "calve/catalog/metadata_file.h"

namespace calve::catalog {
namespace {

// How often a current version that vanishes under the reader (trimmed by a newer commit) is looked for again.
constexpr int kPublishLooksMax = 5;

Status Conflict(const HadoopVersion& version) {
  return MakeError(ErrorKind::kConflict,
                   fmt::format("version {} of the table was committed by another writer first ({})", version.number,
                               version.location),
                   "Reload the table and plan anew.");
}

Status Unknown(const HadoopVersion& version, const Status& cause) {
  return MakeError(ErrorKind::kUnknownOutcome,
                   fmt::format("whether {} became version {} of the table is not known: {}", version.location,
                               version.number, MessageOf(cause)),
                   "Look for the commit in the reloaded table before anything else.");
}

class Publication {
 public:
  Publication(storage::FileIO& file_io, const Clock& clock, HadoopVersions& versions, const NextVersion& next,
              std::string_view extension)
      : file_io_(file_io),
        clock_(clock),
        versions_(versions),
        next_(next),
        ours_{next.base.number + 1, versions.FileLocation(fmt::format("v{}{}", next.base.number + 1, extension))} {}

  Result<HadoopVersion> Run(std::string_view bytes) {
    ARROW_RETURN_NOT_OK(file_io_.CheckWriteNew(versions_.FileLocation("")));
    ARROW_RETURN_NOT_OK(Write(bytes));
    ARROW_RETURN_NOT_OK(CheckReplaced(bytes));
    ARROW_ASSIGN_OR_RAISE(int64_t highest, Confirm());
    // The table is what its versions say; a hint that cannot be written only costs readers a longer search.
    (void)versions_.WriteHint(highest);
    return ours_;
  }

 private:
  Status Write(std::string_view bytes) {
    // Whoever is late by now does not even try: the name may be free because it was used and deleted.
    looked_at_ = clock_.Now();
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> now, versions_.FindCurrent());
    if (now && now->number > next_.base.number) return Conflict(ours_);
    Status status = file_io_.WriteNew(ours_.location, bytes);
    if (KindOf(status) == ErrorKind::kAlreadyExists) return Conflict(ours_);
    if (KindOf(status) != ErrorKind::kUnknownOutcome) return status;
    // The answer was lost; what stands there may tell. Nothing there proves nothing: the write may still arrive.
    auto found = file_io_.Read(ours_.location);
    if (!found.ok()) return Unknown(ours_, status);
    if (*found != bytes) return Conflict(ours_);  // what is there is never overwritten by a WriteNew that is late
    // The same bytes from another writer are possible unless something in them is random.
    return next_.new_uuid || !next_.identifying_snapshots.empty() ? Status::OK() : Unknown(ours_, status);
  }

  // Whether Java's rename took our name away again. Who read ours in the meantime may still build upon it, so that this
  // is no proof that it is not in.
  Status CheckReplaced(std::string_view bytes) {
    auto awaited = AwaitRenames(file_io_, clock_, versions_, std::span(&ours_.number, 1));
    if (!awaited.ok()) return Unknown(ours_, awaited.status());
    if (storage::LocalPath(ours_.location).empty()) return Status::OK();
    bool same = true;
    std::string_view rest = bytes;
    const Status read = VisitBytes(file_io_, ours_.location, [&](std::string_view piece) {
      same = same && rest.starts_with(piece);
      if (same) rest.remove_prefix(piece.size());
    });
    if (KindOf(read) == ErrorKind::kNotFound) return Status::OK();  // deleted by later commits: see Confirm()
    if (!read.ok()) return Unknown(ours_, read);
    if (same && rest.empty()) return Status::OK();
    return Unknown(ours_, MakeError(ErrorKind::kFailed, "another writer's rename replaced it at once"));
  }

  // The highest version that is known to be there, ours or a later one. Called once our file has its name.
  Result<int64_t> Confirm() {
    auto visible = versions_.Locate(ours_.number);
    if (!visible.ok()) return Unknown(ours_, visible.status());
    if (*visible && (*visible)->location != ours_.location) return Withdraw();  // Java wrote it in another spelling
    bool base_there = next_.base.number == 0;
    if (!base_there) {
      auto exists = file_io_.Exists(next_.base.location);
      if (!exists.ok()) return Unknown(ours_, exists.status());
      base_there = *exists;
    }
    // A higher hint, or a base that is gone, means that the table has moved on: over our version, or past it before we
    // wrote it. Neither is to be relied on (hints are written late, files deleted late) once the name can have been
    // used and become free: then what the current version holds decides.
    std::optional<int64_t> hint = versions_.ReadHint();
    const int64_t took = clock_.Now() - looked_at_;
    const bool in_time = took >= 0 && took < kPublishMaxMs * 1000;
    if (in_time && base_there && (!hint || *hint <= ours_.number)) return ours_.number;
    for (int look = 0; look < kPublishLooksMax; ++look) {
      ARROW_ASSIGN_OR_RAISE(std::optional<int64_t> highest, ConfirmOvertaken(base_there));
      if (highest) return *highest;
    }
    return Unknown(ours_, MakeError(ErrorKind::kFailed, "the table changes faster than it can be read"));
  }

  // nullopt: the versions changed while they were looked at.
  Result<std::optional<int64_t>> ConfirmOvertaken(bool base_there) {
    auto highest = versions_.FindHighest();
    if (!highest.ok()) return Unknown(ours_, highest.status());
    if (!*highest || (*highest)->number <= ours_.number) {
      // A base goes only when there are versions after ours: the listing has missed them.
      return base_there ? std::optional(ours_.number) : std::nullopt;
    }
    auto current = ReadMetadata(file_io_, (*highest)->location);
    if (KindOf(current.status()) == ErrorKind::kNotFound) return std::nullopt;
    if (!current.ok()) return Unknown(ours_, current.status());
    if (next_.new_uuid && current->table_uuid == next_.metadata.table_uuid) return (*highest)->number;
    for (int64_t id : next_.identifying_snapshots) {
      const iceberg::Snapshot* ours = next_.metadata.FindSnapshot(id);
      if (const iceberg::Snapshot* there = current->FindSnapshot(id)) {
        // Tries of one commit share its snapshot's id, and differ in the manifest list.
        if (ours && there->manifest_list == ours->manifest_list) return (*highest)->number;
        return Withdraw();
      }
      // A sequence number is given once: where another snapshot has ours, the table went on without us.
      for (const iceberg::Snapshot& theirs : current->snapshots) {
        if (ours && theirs.sequence_number == ours->sequence_number) return Withdraw();
      }
    }
    for (const iceberg::MetadataLogEntry& entry : current->metadata_log) {
      if (HadoopVersionOf(entry.metadata_file) != ours_.number) continue;
      if (entry.timestamp_ms != next_.metadata.last_updated_ms) return Withdraw();
      if (next_.identifying_snapshots.empty()) return (*highest)->number;
    }
    return Unknown(
        ours_, MakeError(ErrorKind::kFailed, fmt::format("the table is at version {} and its log does not reach back",
                                                         (*highest)->number)));
  }

  // Takes back a file that is proven to be no version of the table.
  Status Withdraw() {
    Status status = file_io_.Delete(ours_.location);
    return status.ok() ? Conflict(ours_) : Unknown(ours_, status);
  }

  storage::FileIO& file_io_;
  const Clock& clock_;
  HadoopVersions& versions_;
  const NextVersion& next_;
  const HadoopVersion ours_;
  TimestampMicros looked_at_ = 0;  // for the current version, before ours was written
};

}  // namespace

Result<HadoopVersion> PublishVersion(storage::FileIO& file_io, const Clock& clock, HadoopVersions& versions,
                                     const NextVersion& next, std::string_view extension, std::string_view bytes) {
  return Publication(file_io, clock, versions, next, extension).Run(bytes);
}

}  // namespace calve::catalog
