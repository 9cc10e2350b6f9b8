// An object, read by ranges.
#pragma once

#include <arrow/io/interfaces.h>

#include <memory>
#include <string>

#include "calve/objectstore/object_store.h"

namespace calve::storage {

// Each read is one request for what is asked for; all of them see the same object, or fail. ReadAt is thread-safe.
class ObjectInputFile : public arrow::io::RandomAccessFile {
 public:
  // kNotFound where there is none.
  static Result<std::shared_ptr<ObjectInputFile>> Open(std::shared_ptr<objectstore::ObjectStore> store,
                                                       objectstore::ObjectName name);
  ~ObjectInputFile() override = default;

  Result<int64_t> GetSize() override { return size_; }
  Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override;
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override;
  Result<int64_t> Read(int64_t nbytes, void* out) override;
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override;
  Status Seek(int64_t position) override;
  Result<int64_t> Tell() const override { return position_; }
  Status Close() override;
  bool closed() const override { return closed_; }

 private:
  ObjectInputFile(std::shared_ptr<objectstore::ObjectStore> store, objectstore::ObjectName name, int64_t size,
                  std::string etag)
      : store_(std::move(store)), name_(std::move(name)), size_(size), etag_(std::move(etag)) {}

  const std::shared_ptr<objectstore::ObjectStore> store_;
  const objectstore::ObjectName name_;
  const int64_t size_;
  const std::string etag_;

  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace calve::storage
