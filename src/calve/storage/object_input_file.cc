#include "calve/storage/object_input_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace calve::storage {

Result<std::shared_ptr<ObjectInputFile>> ObjectInputFile::Open(std::shared_ptr<objectstore::ObjectStore> store,
                                                               objectstore::ObjectName name) {
  ARROW_ASSIGN_OR_RAISE(const objectstore::ObjectHead head, store->Head(name));
  return std::shared_ptr<ObjectInputFile>(new ObjectInputFile(std::move(store), std::move(name), head.size, head.etag));
}

Result<std::shared_ptr<arrow::Buffer>> ObjectInputFile::ReadAt(int64_t position, int64_t nbytes) {
  if (closed_) return MakeError(ErrorKind::kFailed, fmt::format("{} is closed", name_.location));
  if (position < 0 || nbytes < 0) {
    return MakeError(ErrorKind::kFailed, fmt::format("{} cannot be read at {}", name_.location, position));
  }
  const int64_t length = std::min(nbytes, size_ - std::min(position, size_));
  if (length == 0) return std::make_shared<arrow::Buffer>("");
  ARROW_ASSIGN_OR_RAISE(auto bytes, store_->GetRange(name_, position, length, etag_));
  if (bytes->size() == length) return bytes;
  return MakeError(ErrorKind::kCorrupt, fmt::format("{} gave {} bytes at {} where {} were asked for", name_.location,
                                                    bytes->size(), position, length));
}

Result<int64_t> ObjectInputFile::ReadAt(int64_t position, int64_t nbytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, ReadAt(position, nbytes));
  if (bytes->size() > 0) std::memcpy(out, bytes->data(), static_cast<size_t>(bytes->size()));
  return bytes->size();
}

Result<int64_t> ObjectInputFile::Read(int64_t nbytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position_, nbytes, out));
  position_ += read;
  return read;
}

Result<std::shared_ptr<arrow::Buffer>> ObjectInputFile::Read(int64_t nbytes) {
  ARROW_ASSIGN_OR_RAISE(auto bytes, ReadAt(position_, nbytes));
  position_ += bytes->size();
  return bytes;
}

Status ObjectInputFile::Seek(int64_t position) {
  if (position < 0) return MakeError(ErrorKind::kFailed, fmt::format("{} has no byte {}", name_.location, position));
  position_ = position;
  return Status::OK();
}

Status ObjectInputFile::Close() {
  closed_ = true;
  return Status::OK();
}

}  // namespace calve::storage
