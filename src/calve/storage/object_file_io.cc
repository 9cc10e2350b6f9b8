#include "calve/storage/object_file_io.h"

#include <fmt/format.h>

#include <utility>

#include "calve/base/random.h"
#include "calve/storage/exclusive_write.h"
#include "calve/storage/object_input_file.h"
#include "calve/storage/object_location.h"
#include "calve/storage/object_output_stream.h"

namespace calve::storage {
namespace {

using objectstore::WriteMode;

constexpr int kProbesMax = 4;  // of a store whose answers get lost

std::shared_ptr<arrow::Buffer> BufferOf(std::string_view bytes) {
  return arrow::Buffer::FromString(std::string(bytes));
}

Status AlreadyExists(const std::string& location) {
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", location));
}

Status NoCondition(const objectstore::ObjectName& name, const std::string& why) {
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("the store of {} cannot create a file only where there is none: {}", RootOf(name), why),
                   "Without that two writers overwrite each other's commits: use a catalog of type sql or rest, or a "
                   "store that honours If-None-Match.");
}

}  // namespace

ObjectFileIO::ObjectFileIO(StoreFinder find, int64_t part_bytes, int64_t uploads_max, const StopToken& stop)
    : find_(std::move(find)), part_bytes_(part_bytes), stop_(stop), slots_(uploads_max, stop) {}

Result<ObjectFileIO::Place> ObjectFileIO::PlaceOf(const std::string& location) const {
  Place place;
  ARROW_ASSIGN_OR_RAISE(place.name, ParseObjectLocation(location));
  ARROW_ASSIGN_OR_RAISE(place.store, find_(location));
  return place;
}

Result<std::string> ObjectFileIO::Read(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  return place.store->Get(place.name);
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> ObjectFileIO::OpenInput(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  return ObjectInputFile::Open(place.store, place.name);
}

Result<std::shared_ptr<arrow::io::OutputStream>> ObjectFileIO::OpenOutput(const std::string& location) {
  ARROW_RETURN_NOT_OK(stop_.Check());
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  // Close() decides; this spares the upload, and tells of missing rights before the first row.
  const auto head = place.store->Head(place.name);
  if (head.ok()) return AlreadyExists(location);
  if (KindOf(head.status()) != ErrorKind::kNotFound) return WithContext(head.status(), "before writing");
  return std::make_shared<ObjectOutputStream>(place.store, place.name, part_bytes_, slots_);
}

Status ObjectFileIO::WriteNew(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  const auto body = BufferOf(bytes);
  return WriteExclusively(*place.store, place.name, RandomUuid(),
                          [&](const WriteMode& mode) { return place.store->Put(place.name, body, mode); });
}

Status ObjectFileIO::CheckWriteNew(const std::string& folder) {
  ARROW_ASSIGN_OR_RAISE(Place place, PlaceOf(JoinLocation(folder, ".calve-probe-")));
  const std::string root = RootOf(place.name);
  {
    std::lock_guard lock(mutex_);
    if (const auto found = checked_.find(root); found != checked_.end()) return found->second;
  }
  bool is_finding = false;
  Status found;
  for (int attempt = 1; attempt <= kProbesMax; ++attempt) {
    // Another name each time: what became of the one before does not matter.
    Place probe = place;
    const std::string id = RandomUuid();
    probe.name.key += id, probe.name.location += id;
    found = TryWriteNew(probe, &is_finding);
    if (KindOf(found) != ErrorKind::kUnknownOutcome) break;
  }
  std::lock_guard lock(mutex_);
  if (is_finding) checked_.emplace(root, found);
  return found;
}

Status ObjectFileIO::TryWriteNew(const Place& place, bool* is_finding) {
  const Status first = place.store->Put(place.name, BufferOf("1"), {/*exclusive=*/true, RandomUuid()});
  *is_finding = KindOf(first) == ErrorKind::kUnsupported;
  if (*is_finding) return NoCondition(place.name, MessageOf(first));
  if (!first.ok()) (void)place.store->Delete(place.name);  // it may be there all the same
  ARROW_RETURN_NOT_OK(WithContext(first, "trying whether the store can create a file only where there is none"));
  const Status second = place.store->Put(place.name, BufferOf("2"), {/*exclusive=*/true, RandomUuid()});
  (void)place.store->Delete(place.name);
  *is_finding = second.ok() || KindOf(second) == ErrorKind::kAlreadyExists;
  if (KindOf(second) == ErrorKind::kAlreadyExists) return Status::OK();
  if (second.ok()) return NoCondition(place.name, "it overwrote one in spite of If-None-Match: *");
  return WithContext(second, "trying whether the store can create a file only where there is none");
}

Status ObjectFileIO::Replace(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  return place.store->Put(place.name, BufferOf(bytes), {});
}

Result<bool> ObjectFileIO::Exists(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  const auto head = place.store->Head(place.name);
  if (head.ok()) return true;
  if (KindOf(head.status()) == ErrorKind::kNotFound) return false;
  return head.status();
}

Status ObjectFileIO::Delete(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const Place place, PlaceOf(location));
  return place.store->Delete(place.name);
}

Result<std::vector<FileInfo>> ObjectFileIO::List(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(Place place, PlaceOf(location));
  place.name.key = FolderKey(place.name);
  const std::string root = RootOf(place.name);
  std::vector<FileInfo> files;
  std::string page;
  do {
    ARROW_ASSIGN_OR_RAISE(objectstore::ListedPage listed, place.store->List(place.name, /*folders=*/false, page));
    for (objectstore::ListedObject& object : listed.objects) {
      // Other tools put empty objects where they want a folder to be seen.
      if (object.key.ends_with('/')) continue;
      files.push_back({root + object.key, object.size, object.mtime_ms});
    }
    page = std::move(listed.next);
  } while (!page.empty());
  return files;
}

Result<int64_t> ObjectFileIO::RemoveUnfinished(const std::string& folder, int64_t before_ms, bool dry_run) {
  ARROW_ASSIGN_OR_RAISE(Place place, PlaceOf(folder));
  place.name.key = FolderKey(place.name);
  ARROW_ASSIGN_OR_RAISE(const auto uploads, place.store->ListUploads(place.name));
  int64_t count = 0;
  for (const objectstore::PendingUpload& upload : uploads) {
    // Some servers take the prefix for a hint.
    if (upload.begun_ms >= before_ms || !upload.key.starts_with(place.name.key)) continue;
    ++count;
    if (dry_run) continue;
    ARROW_RETURN_NOT_OK(stop_.Check());
    ARROW_RETURN_NOT_OK(
        place.store->AbortUpload({place.name.bucket, upload.key, RootOf(place.name) + upload.key}, upload.id));
  }
  return count;
}

Result<std::vector<std::string>> ObjectFileIO::ListFolders(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(Place place, PlaceOf(location));
  place.name.key = FolderKey(place.name);
  std::vector<std::string> folders;
  std::string page;
  do {
    ARROW_ASSIGN_OR_RAISE(objectstore::ListedPage listed, place.store->List(place.name, /*folders=*/true, page));
    for (const std::string& prefix : listed.prefixes) {
      std::string_view folder = std::string_view(prefix).substr(place.name.key.size());
      if (folder.ends_with('/')) folder.remove_suffix(1);
      if (!folder.empty()) folders.emplace_back(folder);
    }
    page = std::move(listed.next);
  } while (!page.empty());
  return folders;
}

}  // namespace calve::storage
