// An output stream that is opened in the store only once it has more to say than a file's first bytes: files of many
// partitions wait in memory without a handle each.
#pragma once

#include <arrow/io/interfaces.h>

#include <memory>
#include <string>

#include "calve/base/seconds_sum.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

class DeferredStream : public arrow::io::OutputStream {
 public:
  // `file_io` must outlive it, and so must `store_time`, which is told how long the store was waited for; may be null.
  DeferredStream(storage::FileIO& file_io, std::string location, SecondsSum* store_time = nullptr);
  ~DeferredStream() override;

  Status Write(const void* data, int64_t nbytes) override;
  // Opens it where that has not happened yet. OK: the file is durable.
  Status Close() override;
  // Nothing can be written any more; what is in the store is the caller's to delete.
  Status Abort() override;
  Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }
  bool is_open() const { return stream_ != nullptr; }
  int64_t held_bytes() const;  // of memory, by the store's stream

 private:
  Status Open();

  // A call to the store.
  template <typename Call>
  auto Ask(Call call) -> decltype(call()) {
    return store_time_ ? store_time_->Time(call) : call();
  }

  storage::FileIO& file_io_;
  const std::string location_;
  SecondsSum* const store_time_;
  std::string head_;  // until it is opened
  std::shared_ptr<arrow::io::OutputStream> stream_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace calve::datafile
