#include "calve/http/http_connection.h"

#include <arrow/memory_pool.h>
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "calve/base/text.h"

namespace calve::http {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kFirstChunkBytes = 64 << 10;
constexpr int64_t kChunkBytes = 1 << 20;
constexpr long kReadBytes = 1 << 20;  // asked of the kernel at a time; curl lowers what it cannot do
constexpr int64_t kHeaderBytesMax = 1 << 20;
constexpr int kStopPollMs = 25;

// Once for the process, on first use; curl's own exit handling is left to the end of the process.
Status InitCurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) return MakeError(ErrorKind::kFailed, std::string("libcurl: ") + curl_easy_strerror(code));
  return Status::OK();
}

struct EasyCleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiCleanup {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// `reason` tells of the alert by which the server refuses ours, in TLS 1.3 only after the handshake.
bool IsCertificateTrouble(CURLcode code, const std::string& reason) {
  if (reason.find("alert") != std::string::npos &&
      (reason.find("certificate") != std::string::npos || reason.find("unknown ca") != std::string::npos)) {
    return true;
  }
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_CRL_BADFILE || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
}

}  // namespace

class HttpConnection::Impl {
 public:
  explicit Impl(const HttpEndpoint& endpoint) : endpoint_(endpoint) {}
  ~Impl() { Detach(); }

  Status Prepare();
  Status Exchange(const HttpRequest& request, const StopToken& stop);
  Result<std::shared_ptr<arrow::Buffer>> NextChunk(const StopToken& stop);

  int status_ = 0;
  std::map<std::string, std::string> headers_;
  int64_t body_bytes_ = 0;
  bool finished_ = false, nothing_was_sent_ = false;

 private:
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnSend(char* room, size_t size, size_t count, void* self);
  bool TakeHeader(std::string_view line);
  Status TakeBody(const char* data, int64_t size);
  Result<size_t> GiveBody(char* room, size_t size);
  void SetBody(const HttpRequest& request, CURL* handle);
  Result<std::shared_ptr<arrow::Buffer>> PartialChunk();
  // Lets curl work until `ready` or the transfer's end, or an error.
  template <typename Ready>
  Status PumpUntil(const StopToken& stop, Ready ready);
  int64_t Moved() const;
  Status Work();
  Status FailureOf(CURLcode code);
  void Detach();

  const HttpEndpoint endpoint_;
  std::unique_ptr<CURLM, MultiCleanup> multi_;
  std::unique_ptr<CURL, EasyCleanup> easy_;  // after multi_: goes first
  std::unique_ptr<curl_slist, ListCleanup> request_headers_;
  std::string request_body_;
  std::shared_ptr<arrow::Buffer> request_buffer_;  // in its place
  std::function<Result<std::shared_ptr<arrow::Buffer>>()> next_body_;
  std::shared_ptr<arrow::Buffer> sending_;  // of next_body_
  int64_t sending_offset_ = 0;
  char error_text_[CURL_ERROR_SIZE] = "";

  bool attached_ = false, transfer_done_ = false, header_done_ = false;
  CURLcode result_ = CURLE_OK;
  int64_t header_bytes_ = 0;
  int64_t moved_ = 0;  // bytes of header and body, either way, since the exchange began
  Status callback_status_;

  std::deque<std::shared_ptr<arrow::Buffer>> full_;
  std::shared_ptr<arrow::ResizableBuffer> current_;
  int64_t current_size_ = 0;
};

Status HttpConnection::Impl::Prepare() {
  ARROW_RETURN_NOT_OK(InitCurl());
  multi_.reset(curl_multi_init());
  easy_.reset(curl_easy_init());
  if (!multi_ || !easy_) return Status::OutOfMemory("libcurl");
  CURL* h = easy_.get();
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);  // the name of an object may hold "/../", and its path is signed
  curl_easy_setopt(h, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(endpoint_.connect_timeout_ms));
  curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, 30L);
  curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, 15L);
  curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(h, CURLOPT_BUFFERSIZE, kReadBytes);
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
  if (endpoint_.is_loopback) curl_easy_setopt(h, CURLOPT_PROXY, "");
  if (!endpoint_.ca_file.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, endpoint_.ca_file.c_str());
  if (!endpoint_.client_cert_file.empty()) curl_easy_setopt(h, CURLOPT_SSLCERT, endpoint_.client_cert_file.c_str());
  if (!endpoint_.client_key_file.empty()) curl_easy_setopt(h, CURLOPT_SSLKEY, endpoint_.client_key_file.c_str());
  curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(h, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(h, CURLOPT_WRITEDATA, this);
  return Status::OK();
}

size_t HttpConnection::Impl::OnHeader(char* data, size_t size, size_t count, void* self) {
  return static_cast<Impl*>(self)->TakeHeader({data, size * count}) ? size * count : 0;
}

size_t HttpConnection::Impl::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* impl = static_cast<Impl*>(self);
  impl->callback_status_ = impl->TakeBody(data, static_cast<int64_t>(size * count));
  return impl->callback_status_.ok() ? size * count : 0;
}

size_t HttpConnection::Impl::OnSend(char* room, size_t size, size_t count, void* self) {
  auto* impl = static_cast<Impl*>(self);
  auto given = impl->GiveBody(room, size * count);
  if (given.ok()) return *given;
  impl->callback_status_ = given.status();
  return CURL_READFUNC_ABORT;
}

// 0 at the end.
Result<size_t> HttpConnection::Impl::GiveBody(char* room, size_t size) {
  while (!sending_ || sending_offset_ == sending_->size()) {
    if (!next_body_) return 0;
    ARROW_ASSIGN_OR_RAISE(sending_, next_body_());
    sending_offset_ = 0;
    if (!sending_) next_body_ = nullptr;
    if (!sending_) return 0;
  }
  const auto given = std::min(static_cast<int64_t>(size), sending_->size() - sending_offset_);
  std::memcpy(room, sending_->data() + sending_offset_, static_cast<size_t>(given));
  sending_offset_ += given;
  moved_ += given;
  return static_cast<size_t>(given);
}

void HttpConnection::Impl::SetBody(const HttpRequest& request, CURL* h) {
  request_body_ = request.body_buffer ? "" : request.body;
  request_buffer_ = request.body_buffer;
  next_body_ = request.next_body;
  sending_.reset();
  curl_easy_setopt(h, CURLOPT_NOBODY, 0L);
  curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, nullptr);
  if (request.method == "GET" || request.method == "HEAD") {
    curl_easy_setopt(h, request.method == "GET" ? CURLOPT_HTTPGET : CURLOPT_NOBODY, 1L);
    return;
  }
  curl_easy_setopt(h, CURLOPT_POST, 1L);
  if (request.method != "POST") curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (next_body_) {
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, nullptr);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(-1));
    curl_easy_setopt(h, CURLOPT_READFUNCTION, &OnSend);
    curl_easy_setopt(h, CURLOPT_READDATA, this);
    curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, kReadBytes);
    return;
  }
  const std::string_view body = request_buffer_ ? std::string_view(*request_buffer_) : request_body_;
  curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.data() ? body.data() : "");
}

bool HttpConnection::Impl::TakeHeader(std::string_view line) {
  header_bytes_ += static_cast<int64_t>(line.size());
  moved_ += static_cast<int64_t>(line.size());
  if (header_bytes_ > kHeaderBytesMax) {
    callback_status_ = MakeError(ErrorKind::kCorrupt, endpoint_.origin + ": an HTTP header of more than 1 MiB");
    return false;
  }
  const std::string_view text = Trimmed(line);
  if (text.starts_with("HTTP/")) {
    headers_.clear();  // what a "100 Continue" brought does not count
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    status_ = static_cast<int>(status);
  } else if (text.empty()) {
    header_done_ = header_done_ || status_ >= 200;
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos && !header_done_) {
    headers_[Lower(text.substr(0, colon))] = std::string(Trimmed(text.substr(colon + 1)));
  }
  return true;
}

Status HttpConnection::Impl::TakeBody(const char* data, int64_t size) {
  body_bytes_ += size;
  moved_ += size;
  while (size > 0) {
    if (!current_) {
      ARROW_ASSIGN_OR_RAISE(
          current_, arrow::AllocateResizableBuffer(body_bytes_ <= kFirstChunkBytes ? kFirstChunkBytes : kChunkBytes));
      current_size_ = 0;
    }
    const int64_t taken = std::min(size, current_->size() - current_size_);
    std::memcpy(current_->mutable_data() + current_size_, data, static_cast<size_t>(taken));
    current_size_ += taken;
    data += taken;
    size -= taken;
    if (current_size_ == current_->size()) {
      full_.push_back(std::exchange(current_, nullptr));
      current_size_ = 0;
    }
  }
  return Status::OK();
}

// What is there goes on at once. A few bytes are copied out: slices of them may live long, and would each hold a buffer
// of 1 MiB.
Result<std::shared_ptr<arrow::Buffer>> HttpConnection::Impl::PartialChunk() {
  const int64_t size = std::exchange(current_size_, 0);
  if (size >= current_->size() / 2) return arrow::SliceBuffer(std::exchange(current_, nullptr), 0, size);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> copy, arrow::AllocateBuffer(size));
  std::memcpy(copy->mutable_data(), current_->data(), static_cast<size_t>(size));
  return copy;
}

Status HttpConnection::Impl::Exchange(const HttpRequest& request, const StopToken& stop) {
  Detach();
  status_ = 0;
  headers_.clear();
  body_bytes_ = header_bytes_ = moved_ = current_size_ = 0;
  finished_ = nothing_was_sent_ = transfer_done_ = header_done_ = false;
  result_ = CURLE_OK;
  error_text_[0] = '\0';
  callback_status_ = Status::OK();
  full_.clear();
  current_.reset();

  curl_slist* list = nullptr;
  for (const auto& header : request.headers) {
    curl_slist* longer = curl_slist_append(list, header.c_str());
    if (longer == nullptr) break;
    list = longer;
  }
  // No "Expect: 100-continue": it costs a round trip, or a second where the server does not know it.
  request_headers_.reset(curl_slist_append(list, "Expect:"));
  if (request.next_body) {
    static_cast<void>(curl_slist_append(request_headers_.get(), "Transfer-Encoding: chunked"));
  }
  CURL* h = easy_.get();
  curl_easy_setopt(h, CURLOPT_URL, (endpoint_.origin + request.target).c_str());
  curl_easy_setopt(h, CURLOPT_HTTPHEADER, request_headers_.get());
  SetBody(request, h);
  if (curl_multi_add_handle(multi_.get(), h) != CURLM_OK)
    return MakeError(ErrorKind::kFailed, "libcurl: curl_multi_add_handle");
  attached_ = true;
  ARROW_RETURN_NOT_OK(PumpUntil(stop, [this] { return header_done_; }));
  if (!header_done_) return FailureOf(result_ == CURLE_OK ? CURLE_GOT_NOTHING : result_);
  return Status::OK();
}

Result<std::shared_ptr<arrow::Buffer>> HttpConnection::Impl::NextChunk(const StopToken& stop) {
  while (true) {
    if (!full_.empty()) {
      auto chunk = std::move(full_.front());
      full_.pop_front();
      return chunk;
    }
    if (current_size_ > 0) return PartialChunk();
    if (transfer_done_) break;
    ARROW_RETURN_NOT_OK(PumpUntil(stop, [this] { return !full_.empty() || current_size_ > 0; }));
  }
  if (result_ != CURLE_OK) return FailureOf(result_);
  request_buffer_.reset();  // the connection may be idle for long now
  finished_ = true;
  return nullptr;
}

// The waiting is counted here and not by curl: a consumer that comes back after minutes is no silent server.
template <typename Ready>
Status HttpConnection::Impl::PumpUntil(const StopToken& stop, Ready ready) {
  auto last_byte = SteadyClock::now();
  int64_t seen = Moved();
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_RETURN_NOT_OK(Work());
    if (transfer_done_ || ready()) return Status::OK();
    const auto now = SteadyClock::now();
    if (const int64_t moved = Moved(); moved != seen) {
      seen = moved;
      last_byte = now;
    }
    const int64_t idle_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - last_byte).count();
    if (idle_ms >= endpoint_.idle_timeout_ms) {
      Detach();
      return MakeError(
          ErrorKind::kRetry,
          fmt::format("{}: no byte for {} ms, after {} bytes of the answer", endpoint_.origin, idle_ms, body_bytes_),
          "see whether the server is overloaded, or raise the idle time-out");
    }
    const auto wait_ms = std::min<int64_t>(kStopPollMs, endpoint_.idle_timeout_ms - idle_ms);
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait_ms), nullptr);
  }
}

// Grows as long as bytes go either way.
int64_t HttpConnection::Impl::Moved() const {
  curl_off_t sent = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  return moved_ + static_cast<int64_t>(sent);
}

Status HttpConnection::Impl::Work() {
  int running = 0;
  if (const CURLMcode code = curl_multi_perform(multi_.get(), &running); code != CURLM_OK) {
    return MakeError(ErrorKind::kFailed, std::string("libcurl: ") + curl_multi_strerror(code));
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    transfer_done_ = true;
    result_ = message->data.result;
  }
  return Status::OK();
}

Status HttpConnection::Impl::FailureOf(CURLcode code) {
  if (!callback_status_.ok()) return callback_status_;
  const std::string reason = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  curl_off_t request_began = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &request_began);
  nothing_was_sent_ = request_began == 0;
  if (IsCertificateTrouble(code, reason)) {
    nothing_was_sent_ = true;
    return MakeError(ErrorKind::kConfig, endpoint_.origin + ": TLS: " + reason, endpoint_.remedies.certificate);
  }
  if (code == CURLE_COULDNT_RESOLVE_HOST) {
    return MakeError(ErrorKind::kRetry, endpoint_.origin + ": " + reason, endpoint_.remedies.resolve);
  }
  if (code == CURLE_SSL_CONNECT_ERROR) {
    return MakeError(ErrorKind::kRetry, endpoint_.origin + ": TLS: " + reason, endpoint_.remedies.tls);
  }
  if (nothing_was_sent_) {
    return MakeError(ErrorKind::kRetry, endpoint_.origin + ": cannot connect: " + reason, endpoint_.remedies.connect);
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) {
    return MakeError(ErrorKind::kConfig, endpoint_.origin + ": what answers is no HTTP server: " + reason,
                     endpoint_.remedies.not_http);
  }
  return MakeError(ErrorKind::kRetry, fmt::format("{}: connection lost after {} bytes of the answer: {}",
                                                  endpoint_.origin, body_bytes_, reason));
}

void HttpConnection::Impl::Detach() {
  // Taking a handle out in the middle of an answer closes its connection: the server notices (ClickHouse ends the
  // query).
  if (attached_) curl_multi_remove_handle(multi_.get(), easy_.get());
  attached_ = false;
}

HttpConnection::HttpConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpConnection::~HttpConnection() = default;

Result<std::unique_ptr<HttpConnection>> HttpConnection::Make(const HttpEndpoint& endpoint) {
  auto impl = std::make_unique<Impl>(endpoint);
  ARROW_RETURN_NOT_OK(impl->Prepare());
  return std::unique_ptr<HttpConnection>(new HttpConnection(std::move(impl)));
}

Status HttpConnection::Exchange(const HttpRequest& request, const StopToken& stop) {
  return impl_->Exchange(request, stop);
}
int HttpConnection::status() const { return impl_->status_; }
const std::map<std::string, std::string>& HttpConnection::headers() const { return impl_->headers_; }

const std::string& HttpConnection::header(const std::string& lower_case_name) const {
  static const std::string kNone;
  const auto found = impl_->headers_.find(lower_case_name);
  return found == impl_->headers_.end() ? kNone : found->second;
}

bool HttpConnection::end_is_provable() const {
  return !header("content-length").empty() || Lower(header("transfer-encoding")).find("chunked") != std::string::npos;
}

Result<std::shared_ptr<arrow::Buffer>> HttpConnection::NextChunk(const StopToken& stop) {
  return impl_->NextChunk(stop);
}
int64_t HttpConnection::body_bytes() const { return impl_->body_bytes_; }
bool HttpConnection::finished() const { return impl_->finished_; }
bool HttpConnection::nothing_was_sent() const { return impl_->nothing_was_sent_; }

}  // namespace calve::http
