#include "calve/datafile/deferred_stream.h"

namespace calve::datafile {
namespace {

constexpr size_t kHeadBytesMax = 64;

}  // namespace

DeferredStream::DeferredStream(storage::FileIO& file_io, std::string location, SecondsSum* store_time)
    : file_io_(file_io), location_(std::move(location)), store_time_(store_time) {}

DeferredStream::~DeferredStream() {
  if (!closed_) (void)Abort();
}

Status DeferredStream::Write(const void* data, int64_t nbytes) {
  if (closed_) return MakeError(ErrorKind::kFailed, fmt::format("{} is closed", location_));
  if (!stream_ && head_.size() + static_cast<size_t>(nbytes) <= kHeadBytesMax) {
    head_.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
  } else {
    if (!stream_) ARROW_RETURN_NOT_OK(Open());
    ARROW_RETURN_NOT_OK(Ask([&] { return stream_->Write(data, nbytes); }));
  }
  position_ += nbytes;
  return Status::OK();
}

int64_t DeferredStream::held_bytes() const {
  const auto* holding = dynamic_cast<const storage::HoldsBytes*>(stream_.get());
  return holding ? holding->held_bytes() : 0;
}

Status DeferredStream::Open() {
  ARROW_ASSIGN_OR_RAISE(stream_, Ask([&] { return file_io_.OpenOutput(location_); }));
  return stream_->Write(head_.data(), static_cast<int64_t>(head_.size()));
}

Status DeferredStream::Close() {
  if (closed_) return Status::OK();
  if (!stream_) ARROW_RETURN_NOT_OK(Open());
  closed_ = true;
  return Ask([&] { return stream_->Close(); });
}

Status DeferredStream::Abort() {
  closed_ = true;
  return stream_ ? stream_->Abort() : Status::OK();
}

}  // namespace calve::datafile
