#include "calve/objectstore/gcs_store.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "calve/base/random.h"
#include "calve/http/percent_encoding.h"
#include "calve/objectstore/json_text.h"

namespace calve::objectstore {
namespace {

using Json = nlohmann::json;

constexpr const char* kWriteId = "calve-write";
constexpr int64_t kPartUnit = 256 << 10;
constexpr int kResendsMax = 8;

Json ParseJson(const std::string& text) { return Json::parse(text, nullptr, /*allow_exceptions=*/false); }

// Google writes 64-bit numbers as text.
Result<int64_t> NumberOf(const Json& json, const char* name, const std::string& location) {
  const std::string text = JsonText(json, name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return value;
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's {} '{}' is no number", location, name, text));
}

std::string MessageIn(const http::HttpResponse& response) {
  const Json json = ParseJson(response.body);
  const auto error = json.is_object() ? json.find("error") : json.end();
  if (json.is_object() && error != json.end() && error->is_object()) return JsonText(*error, "message");
  return response.body.size() < 200 ? response.body : "";
}

bool Is2xx(const http::HttpResponse& response) { return response.status / 100 == 2; }

Status AlreadyExists(const std::string& location) {
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", location));
}

Status FailureOf(const StoreRequest& request, const http::HttpResponse& response, const std::string& right) {
  const std::string message = MessageIn(response);
  std::string what = GcsDialect().Describe(response);
  ErrorKind kind = ErrorKind::kFailed;
  std::string remedy;
  if (response.status == 404 && message.find("bucket does not exist") != std::string::npos) {
    kind = ErrorKind::kConfig;
    remedy = "Create the bucket, or check its name.";
  } else if (response.status == 404) {
    kind = ErrorKind::kNotFound;
    what = "no such object";
  } else if (response.status == 401) {
    kind = ErrorKind::kConfig;
    remedy = "Log in again, or fetch a new key.";
  } else if (response.status == 403) {
    kind = ErrorKind::kConfig;
    remedy = fmt::format("Give the account of the credentials the permission {} there (docs/stores.md).", right);
  } else if (response.status == 412) {
    remedy = "It was replaced meanwhile: run again.";
  }
  return MakeError(kind, fmt::format("cannot {} {}: {}", request.action, request.location, what), remedy);
}

std::string Condition(const WriteMode& mode) { return mode.exclusive ? "&ifGenerationMatch=0" : ""; }

std::string Description(const ObjectName& name, const WriteMode& mode) {
  Json json = {{"name", name.key}, {"contentType", "application/octet-stream"}};
  if (!mode.write_id.empty()) json["metadata"] = {{kWriteId, mode.write_id}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The number of bytes that are there, of "bytes=0-41"; nothing there has no Range.
int64_t BytesThere(const http::HttpResponse& response) {
  const std::string& range = response.header("range");
  const size_t dash = range.rfind('-');
  int64_t last = -1;
  if (dash != std::string::npos) std::from_chars(range.data() + dash + 1, range.data() + range.size(), last);
  return last + 1;
}

}  // namespace

Dialect::Answer GcsDialect::Read(const StoreRequest&, const http::HttpResponse& response) const {
  const int status = response.status;
  if (status == 401) return Answer::kCredentials;
  if (status == 429) return Answer::kNotDone;
  if (status == 408 || status == 500 || status == 502 || status == 503 || status == 504) return Answer::kTryAgain;
  return Answer::kFinal;
}

std::string GcsDialect::Describe(const http::HttpResponse& response) const {
  const std::string message = MessageIn(response);
  return message.empty() ? std::to_string(response.status) : fmt::format("{}: {}", response.status, message);
}

GcsStore::GcsStore(const StoreOptions& options, std::string endpoint, std::shared_ptr<TokenSource> tokens,
                   const StopToken& stop, const Clock& clock)
    : endpoint_(std::move(endpoint)),
      tokens_(std::move(tokens)),
      stop_(stop),
      client_(options, dialect_, stop, clock) {}

Result<std::unique_ptr<GcsStore>> GcsStore::Make(const StoreOptions& options, std::string endpoint,
                                                 std::shared_ptr<TokenSource> tokens, const StopToken& stop,
                                                 const Clock& clock) {
  if (options.encryption != ServerSideEncryption::kNone || options.requester_pays) {
    return MakeError(ErrorKind::kConfig, "encryption and requester_pays are options of S3, not of Google's store",
                     "Leave them out; give the bucket a default key of Cloud KMS.");
  }
  if (options.part_bytes % kPartUnit != 0) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("parts of {} bytes are no multiple of 256 KiB", options.part_bytes),
                     "Google's store takes no others: set --store-part-size to 8MiB, for example.");
  }
  return std::unique_ptr<GcsStore>(new GcsStore(options, std::move(endpoint), std::move(tokens), stop, clock));
}

std::string GcsStore::ObjectTarget(const ObjectName& name) const {
  return fmt::format("/storage/v1/b/{}/o/{}", http::PercentEncoded(name.bucket), http::PercentEncoded(name.key));
}

StoreRequest GcsStore::RequestOf(const ObjectName& name, std::string method, std::string action,
                                 std::string target) const {
  StoreRequest request;
  request.method = std::move(method);
  request.origin = endpoint_;
  request.target = std::move(target);
  request.action = std::move(action);
  request.location = name.location;
  return request;
}

Result<http::HttpResponse> GcsStore::Send(const StoreRequest& request) {
  BearerAuthorizer authorizer(tokens_.get());
  return client_.Send(request, authorizer);
}

Result<ObjectHead> GcsStore::Head(const ObjectName& name) {
  const StoreRequest request =
      RequestOf(name, "GET", "look for", ObjectTarget(name) + "?fields=size%2Cgeneration%2Cmetadata");
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response, "storage.objects.get");
  const Json json = ParseJson(response.body);
  ObjectHead head;
  ARROW_ASSIGN_OR_RAISE(head.size, NumberOf(json, "size", name.location));
  head.etag = JsonText(json, "generation");
  if (const auto metadata = json.find("metadata"); metadata != json.end())
    head.write_id = JsonText(*metadata, kWriteId);
  return head;
}

Result<std::string> GcsStore::Get(const ObjectName& name) {
  const StoreRequest request = RequestOf(name, "GET", "read", ObjectTarget(name) + "?alt=media");
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response, "storage.objects.get");
  return std::move(response.body);
}

Result<std::shared_ptr<arrow::Buffer>> GcsStore::GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                          const std::string& generation) {
  StoreRequest request = RequestOf(name, "GET", "read", ObjectTarget(name) + "?alt=media");
  if (!generation.empty()) request.target += "&ifGenerationMatch=" + http::PercentEncoded(generation);
  request.headers = {fmt::format("Range: bytes={}-{}", offset, offset + length - 1)};
  request.is_stoppable = true;
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(request));
  if (response.status == 416) return arrow::Buffer::FromString("");
  if (!Is2xx(response)) return FailureOf(request, response, "storage.objects.get");
  auto bytes = arrow::Buffer::FromString(std::move(response.body));
  if (response.status == 206) return bytes;
  const int64_t begin = std::min(offset, bytes->size());
  return arrow::SliceBuffer(bytes, begin, std::min(length, bytes->size() - begin));
}

Status GcsStore::Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) {
  const std::string boundary = "calve-" + RandomUuid();
  StoreRequest request = RequestOf(name, "POST", "write",
                                   fmt::format("/upload/storage/v1/b/{}/o?uploadType=multipart{}",
                                               http::PercentEncoded(name.bucket), Condition(mode)));
  request.headers = {"Content-Type: multipart/related; boundary=" + boundary};
  std::string body = fmt::format(
      "--{}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--{}\r\n"
      "Content-Type: application/octet-stream\r\n\r\n",
      boundary, Description(name, mode), boundary);
  body.append(reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size()));
  body += fmt::format("\r\n--{}--\r\n", boundary);
  request.body = arrow::Buffer::FromString(std::move(body));
  request.is_repeatable = !mode.exclusive;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (Is2xx(response)) return Status::OK();
  if (mode.exclusive && response.status == 412) return AlreadyExists(name.location);
  return FailureOf(request, response, "storage.objects.create");
}

Status GcsStore::Delete(const ObjectName& name) {
  const StoreRequest request = RequestOf(name, "DELETE", "delete", ObjectTarget(name));
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (Is2xx(response)) return Status::OK();
  const Status failure = FailureOf(request, response, "storage.objects.delete");
  return KindOf(failure) == ErrorKind::kNotFound ? Status::OK() : failure;
}

Result<ListedPage> GcsStore::List(const ObjectName& prefix, bool folders, const std::string& page) {
  std::string target = fmt::format("/storage/v1/b/{}/o?prefix={}", http::PercentEncoded(prefix.bucket),
                                   http::PercentEncoded(prefix.key));
  if (folders) target += "&delimiter=%2F";
  if (!page.empty()) target += "&pageToken=" + http::PercentEncoded(page);
  const StoreRequest request = RequestOf(prefix, "GET", "list", target);
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (!Is2xx(response)) {
    const Status failure = FailureOf(request, response, "storage.objects.list");
    // An empty folder is an empty list: only a bucket can be missing.
    return KindOf(failure) == ErrorKind::kNotFound ? WithKind(failure, ErrorKind::kConfig, "Check the bucket's name.")
                                                   : failure;
  }
  const Json json = ParseJson(response.body);
  if (!json.is_object()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's answer is no listing", prefix.location),
                     "Check that the end point is one of Google's store.");
  }
  ListedPage listed;
  for (const Json& item : json.value("items", Json::array())) {
    ListedObject object;
    object.key = JsonText(item, "name");
    ARROW_ASSIGN_OR_RAISE(object.size, NumberOf(item, "size", prefix.location));
    ARROW_ASSIGN_OR_RAISE(const TimestampMicros updated, ParseTimestamp(JsonText(item, "updated")));
    object.mtime_ms = updated / 1000;
    listed.objects.push_back(std::move(object));
  }
  for (const Json& folder : json.value("prefixes", Json::array())) {
    if (folder.is_string()) listed.prefixes.push_back(folder.get<std::string>());
  }
  listed.next = JsonText(json, "nextPageToken");
  return listed;
}

Result<std::string> GcsStore::BeginUpload(const ObjectName& name, const WriteMode& mode) {
  StoreRequest request =
      RequestOf(name, "POST", "write",
                fmt::format("/upload/storage/v1/b/{}/o?uploadType=resumable&name={}{}",
                            http::PercentEncoded(name.bucket), http::PercentEncoded(name.key), Condition(mode)));
  request.headers = {"Content-Type: application/json; charset=UTF-8",
                     "X-Upload-Content-Type: application/octet-stream"};
  request.body = arrow::Buffer::FromString(Description(name, mode));
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (mode.exclusive && response.status == 412) return AlreadyExists(name.location);
  if (!Is2xx(response)) return FailureOf(request, response, "storage.objects.create");
  const std::string& session = response.header("location");
  if (session.find("://") == std::string::npos) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("{}: an upload without a place", name.location));
  }
  std::lock_guard lock(mutex_);
  sessions_[session] = {};
  return session;
}

StoreRequest GcsStore::SessionRequest(const ObjectName& name, const std::string& upload, std::string method,
                                      std::string action) const {
  const size_t path = std::min(upload.find('/', upload.find("://") + 3), upload.size());
  StoreRequest request = RequestOf(name, std::move(method), std::move(action), upload.substr(path));
  // Never to another place than the one that the credentials are for.
  request.origin = endpoint_;
  request.headers = {"Content-Type: application/octet-stream"};
  return request;
}

Result<std::string> GcsStore::UploadPart(const ObjectName& name, const std::string& upload, int number,
                                         std::shared_ptr<arrow::Buffer> bytes) {
  int64_t offset = 0;
  {
    std::unique_lock lock(mutex_);
    Session& session = sessions_[upload];
    while (session.next != number && session.failure.ok()) {
      ARROW_RETURN_NOT_OK(stop_.Check());
      turn_.wait_for(lock, std::chrono::milliseconds(25));
    }
    ARROW_RETURN_NOT_OK(session.failure);
    offset = session.offset;
    if (bytes->size() % kPartUnit != 0) {
      session.last = std::move(bytes);
      return std::to_string(number);
    }
  }
  const int64_t size = bytes->size();
  const Status status = SendPart(name, upload, offset, std::move(bytes));
  std::lock_guard lock(mutex_);
  Session& session = sessions_[upload];
  session.failure = status;
  session.offset = offset + size;
  ++session.next;
  turn_.notify_all();
  ARROW_RETURN_NOT_OK(status);
  return std::to_string(number);
}

Status GcsStore::SendPart(const ObjectName& name, const std::string& upload, int64_t offset,
                          std::shared_ptr<arrow::Buffer> bytes) {
  const int64_t end = offset + bytes->size();
  for (int resend = 0; resend < kResendsMax; ++resend) {
    StoreRequest request = SessionRequest(name, upload, "PUT", "write");
    request.headers.push_back(fmt::format("Content-Range: bytes {}-{}/*", offset, end - 1));
    request.body = bytes;
    request.is_stoppable = true;
    ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
    if (response.status != 308) return FailureOf(request, response, "storage.objects.create");
    const int64_t there = BytesThere(response);
    if (there == end) return Status::OK();
    if (there < offset || there > end) break;
    bytes = arrow::SliceBuffer(bytes, there - offset);
    offset = there;
  }
  return MakeError(ErrorKind::kFailed, fmt::format("cannot write {}: the store lost a part of it", name.location));
}

Status GcsStore::CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>&,
                                const WriteMode& mode) {
  StoreRequest request = SessionRequest(name, upload, "PUT", "write");
  {
    std::lock_guard lock(mutex_);
    const Session& session = sessions_[upload];
    ARROW_RETURN_NOT_OK(session.failure);
    const int64_t total = session.offset + (session.last ? session.last->size() : 0);
    request.body = session.last ? session.last : arrow::Buffer::FromString("");
    request.headers.push_back(session.last
                                  ? fmt::format("Content-Range: bytes {}-{}/{}", session.offset, total - 1, total)
                                  : fmt::format("Content-Range: bytes */{}", total));
  }
  request.is_repeatable = false;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (Is2xx(response)) {
    std::lock_guard lock(mutex_);
    sessions_.erase(upload);
    return Status::OK();
  }
  if (mode.exclusive && response.status == 412) return AlreadyExists(name.location);
  return FailureOf(request, response, "storage.objects.create");
}

Status GcsStore::AbortUpload(const ObjectName& name, const std::string& upload) {
  {
    std::lock_guard lock(mutex_);
    sessions_.erase(upload);
  }
  const StoreRequest request = SessionRequest(name, upload, "DELETE", "abort the upload of");
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  // 499 is what Google says where it was aborted.
  if (Is2xx(response) || response.status == 499 || response.status == 404 || response.status == 410)
    return Status::OK();
  return FailureOf(request, response, "storage.objects.create");
}

Result<std::vector<PendingUpload>> GcsStore::ListUploads(const ObjectName&) { return std::vector<PendingUpload>(); }

}  // namespace calve::objectstore
