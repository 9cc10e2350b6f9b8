// A new object, written front to back: in one request where it is small, else in parts that go up while the next ones
// are written.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "calve/objectstore/object_store.h"
#include "calve/storage/file_io.h"
#include "calve/storage/upload_slots.h"

namespace calve::storage {

// Not thread-safe, as Arrow's streams are. The object is not there before Close() returned OK. Abort(), a failed
// Close() and the destructor of a stream that was never closed leave no unfinished upload behind, as far as the store
// can be reached. Holds one part, and each part on its way until it has arrived.
class ObjectOutputStream : public arrow::io::OutputStream, public HoldsBytes {
 public:
  // `slots` must outlive it.
  ObjectOutputStream(std::shared_ptr<objectstore::ObjectStore> store, objectstore::ObjectName name, int64_t part_bytes,
                     UploadSlots& slots);
  ~ObjectOutputStream() override;

  using arrow::io::Writable::Write;
  Status Write(const void* data, int64_t nbytes) override;
  Status Close() override;
  Status Abort() override;
  Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }
  int64_t held_bytes() const override { return part_ ? part_->capacity() : 0; }

 private:
  Status Append(const uint8_t* data, int64_t size);
  Status SendPart();
  Status Finish();
  Status WaitForParts();
  void Upload(size_t index, std::shared_ptr<arrow::Buffer> bytes);

  const std::shared_ptr<objectstore::ObjectStore> store_;
  const objectstore::ObjectName name_;
  const int64_t part_bytes_;
  UploadSlots& slots_;

  std::shared_ptr<arrow::ResizableBuffer> part_;  // being filled
  int64_t part_size_ = 0;
  int64_t position_ = 0;
  bool closed_ = false;
  const std::string write_id_;
  std::string upload_;  // empty: none was begun
  size_t parts_begun_ = 0;
  std::deque<std::thread> threads_;  // of the last parts

  std::mutex mutex_;
  // Protected by mutex_.
  std::vector<std::string> parts_;  // what the store calls those that arrived
  Status failure_;                  // the first one
};

}  // namespace calve::storage
