#include "calve/storage/object_output_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "calve/base/random.h"
#include "calve/storage/exclusive_write.h"

namespace calve::storage {
namespace {

constexpr size_t kThreadsMax = 16;         // that have ended and were not joined yet, most of them
constexpr int64_t kFirstBytes = 64 << 10;  // many small files are written at once: their buffers grow

}  // namespace

ObjectOutputStream::ObjectOutputStream(std::shared_ptr<objectstore::ObjectStore> store, objectstore::ObjectName name,
                                       int64_t part_bytes, UploadSlots& slots)
    : store_(std::move(store)),
      name_(std::move(name)),
      part_bytes_(part_bytes),
      slots_(slots),
      write_id_(RandomUuid()) {}

ObjectOutputStream::~ObjectOutputStream() { (void)Abort(); }

Status ObjectOutputStream::Write(const void* data, int64_t nbytes) {
  if (closed_) return MakeError(ErrorKind::kFailed, fmt::format("{} is closed", name_.location));
  if (nbytes < 0) return MakeError(ErrorKind::kFailed, fmt::format("a negative length to write to {}", name_.location));
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (nbytes > 0) {
    const int64_t taken = std::min(nbytes, part_bytes_ - part_size_);
    ARROW_RETURN_NOT_OK(Append(bytes, taken));
    bytes += taken;
    nbytes -= taken;
    if (part_size_ == part_bytes_) ARROW_RETURN_NOT_OK(SendPart());
  }
  return Status::OK();
}

Status ObjectOutputStream::Append(const uint8_t* data, int64_t size) {
  const int64_t needed = part_size_ + size;
  if (!part_) {
    ARROW_ASSIGN_OR_RAISE(part_, arrow::AllocateResizableBuffer(std::min(std::max(needed, kFirstBytes), part_bytes_)));
  } else if (needed > part_->size()) {
    ARROW_RETURN_NOT_OK(part_->Resize(std::min(std::max(needed, 2 * part_->size()), part_bytes_), false));
  }
  std::memcpy(part_->mutable_data() + part_size_, data, static_cast<size_t>(size));
  part_size_ = needed;
  position_ += size;
  return Status::OK();
}

Status ObjectOutputStream::SendPart() {
  if (upload_.empty()) {
    ARROW_ASSIGN_OR_RAISE(upload_, store_->BeginUpload(name_, {/*exclusive=*/true, write_id_}));
  }
  const size_t index = parts_begun_;
  if (index >= static_cast<size_t>(store_->parts_max())) {
    return MakeError(ErrorKind::kFailed,
                     fmt::format("{} takes more than {} parts of {} MiB", name_.location, index, part_bytes_ >> 20),
                     "Raise the part size (--store-part-size), or make smaller files (write.target-file-size-bytes).");
  }
  if (threads_.size() >= kThreadsMax) {
    threads_.front().join();
    threads_.pop_front();
  }
  ARROW_RETURN_NOT_OK(slots_.Take());
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) {
      slots_.GiveBack();
      return failure_;
    }
    parts_.emplace_back();
  }
  ++parts_begun_;
  std::shared_ptr<arrow::Buffer> bytes = arrow::SliceBuffer(std::move(part_), 0, std::exchange(part_size_, 0));
  part_ = nullptr;
  try {
    threads_.emplace_back([this, index, bytes = std::move(bytes)]() mutable { Upload(index, std::move(bytes)); });
  } catch (const std::system_error& e) {
    slots_.GiveBack();
    return MakeError(ErrorKind::kFailed, fmt::format("cannot write {}: no thread: {}", name_.location, e.what()),
                     "Raise the limit of threads (ulimit -u) of the process.");
  }
  return Status::OK();
}

void ObjectOutputStream::Upload(size_t index, std::shared_ptr<arrow::Buffer> bytes) {
  auto part = store_->UploadPart(name_, upload_, static_cast<int>(index) + 1, std::move(bytes));
  {
    std::lock_guard lock(mutex_);
    if (part.ok()) parts_[index] = std::move(*part);
    if (failure_.ok()) failure_ = part.status();
  }
  slots_.GiveBack();
}

Status ObjectOutputStream::WaitForParts() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  std::lock_guard lock(mutex_);
  return failure_;
}

Status ObjectOutputStream::Close() {
  if (closed_) return Status::OK();
  Status status = Finish();
  if (!status.ok()) {
    (void)Abort();
    return status;
  }
  closed_ = true;
  part_ = nullptr;
  return status;
}

Status ObjectOutputStream::Finish() {
  if (upload_.empty()) {
    std::shared_ptr<arrow::Buffer> bytes = std::make_shared<arrow::Buffer>("");
    if (part_) bytes = arrow::SliceBuffer(std::move(part_), 0, part_size_);
    part_ = nullptr;
    return WriteExclusively(*store_, name_, write_id_,
                            [&](const auto& mode) { return store_->Put(name_, bytes, mode); });
  }
  if (part_size_ > 0) ARROW_RETURN_NOT_OK(SendPart());
  ARROW_RETURN_NOT_OK(WaitForParts());
  return WriteExclusively(*store_, name_, write_id_, [&](const objectstore::WriteMode& mode) {
    return store_->CompleteUpload(name_, upload_, parts_, mode);
  });
}

Status ObjectOutputStream::Abort() {
  if (std::exchange(closed_, true)) return Status::OK();
  part_ = nullptr;
  (void)WaitForParts();
  return upload_.empty() ? Status::OK() : store_->AbortUpload(name_, upload_);
}

}  // namespace calve::storage
