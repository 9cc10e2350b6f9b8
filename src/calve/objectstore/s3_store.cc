#include "calve/objectstore/s3_store.h"

#include <fmt/format.h>

#include <charconv>

#include "calve/base/small_file.h"
#include "calve/http/percent_encoding.h"
#include "calve/objectstore/base64.h"
#include "calve/objectstore/xml.h"

namespace calve::objectstore {
namespace {

constexpr const char* kWriteIdHeader = "x-amz-meta-calve-write";
constexpr const char* kCustomerKey = "x-amz-server-side-encryption-customer-";
constexpr size_t kCustomerKeyBytes = 32;

std::string EncodedKey(std::string_view key) {
  std::string out;
  while (true) {
    const size_t slash = std::min(key.find('/'), key.size());
    out += http::PercentEncoded(key.substr(0, slash));
    if (slash == key.size()) return out;
    out += '/';
    key.remove_prefix(slash + 1);
  }
}

// Listings give keys encoded as a form's values are, where they say so.
std::string DecodedKey(std::string text, bool is_encoded) {
  if (!is_encoded) return text;
  for (char& c : text) {
    if (c == '+') c = ' ';
  }
  return http::PercentDecoded(text);
}

Result<int64_t> NumberOf(const std::string& text, const char* what, const std::string& location) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's {} '{}' is no number", location, what, text));
}

Result<int64_t> TimeOf(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const TimestampMicros at, ParseTimestamp(text));
  return at / 1000;
}

Result<XmlElement> XmlOf(const http::HttpResponse& response, const char* root, const std::string& location) {
  auto parsed = ParseXml(response.body);
  if (parsed.ok() && parsed->name == root) return parsed;
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's answer is no {}", location, root),
                   "Check that the end point is one of S3.");
}

std::shared_ptr<arrow::Buffer> BufferOf(std::string bytes) { return arrow::Buffer::FromString(std::move(bytes)); }

// Signs as the chain's keys say.
class AwsAuthorizer : public Authorizer {
 public:
  AwsAuthorizer(AwsCredentialSource* source, std::string region, const Clock& clock)
      : source_(source), region_(std::move(region)), clock_(clock) {}

  Status Authorize(const StoreRequest& request, std::vector<std::string>* headers) override {
    if (!source_) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const AwsCredentials credentials, source_->Get());
    keys_ = credentials.keys;
    if (body_sha256_.empty()) {
      body_sha256_ = http::Sha256Hex(request.body ? std::string_view(*request.body) : std::string_view());
    }
    const auto signature = http::SigV4Headers({request.method, request.origin, request.target, *headers, body_sha256_},
                                              keys_, region_, "s3", clock_.Now());
    headers->insert(headers->end(), signature.begin(), signature.end());
    return Status::OK();
  }

  Result<bool> Renew(const StoreRequest&) override { return source_ ? source_->Renew(keys_) : false; }

 private:
  AwsCredentialSource* const source_;
  const std::string region_;
  const Clock& clock_;
  http::AwsKeys keys_;
  std::string body_sha256_;
};

}  // namespace

S3Store::S3Store(const StoreOptions& options, AwsPlace place, std::shared_ptr<AwsCredentialSource> credentials,
                 const StopToken& stop, const Clock& clock)
    : options_(options),
      place_(std::move(place)),
      credentials_(std::move(credentials)),
      client_(options_, dialect_, stop, clock) {}

Result<std::unique_ptr<S3Store>> S3Store::Make(const StoreOptions& options, const AwsPlace& place,
                                               std::shared_ptr<AwsCredentialSource> credentials, const StopToken& stop,
                                               const Clock& clock) {
  StoreOptions own = options;
  own.ca_file = place.ca_file;
  std::unique_ptr<S3Store> store(new S3Store(own, place, std::move(credentials), stop, clock));
  if (options.encryption == ServerSideEncryption::kCustomer) ARROW_RETURN_NOT_OK(store->ReadCustomerKey());
  return store;
}

Status S3Store::ReadCustomerKey() {
  ARROW_ASSIGN_OR_RAISE(std::string key, ReadSmallFile(options_.customer_key_file, "the file of the customer's key"));
  if (key.size() != kCustomerKeyBytes) key = Base64Decoded(key).value_or("");
  if (key.size() != kCustomerKeyBytes) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the file {} holds no key of 32 bytes or their base64", options_.customer_key_file),
                     "Make one: openssl rand -base64 32.");
  }
  customer_key_headers_ = {fmt::format("{}algorithm: AES256", kCustomerKey),
                           fmt::format("{}key: {}", kCustomerKey, Base64Encoded(key)),
                           fmt::format("{}key-MD5: {}", kCustomerKey, Base64Encoded(Md5(key)))};
  return Status::OK();
}

std::string S3Store::RegionOf(const std::string& bucket) {
  std::lock_guard lock(mutex_);
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? place_.region : found->second;
}

StoreRequest S3Store::RequestOf(const ObjectName& name, const Ask& ask, const std::string& region) const {
  std::string endpoint = place_.endpoint;
  if (endpoint.empty()) {
    endpoint = fmt::format("https://s3.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
  }
  const bool path_style = options_.addressing == Addressing::kPath ||
                          (options_.addressing == Addressing::kAuto &&
                           (!place_.endpoint.empty() || name.bucket.find('.') != std::string::npos));
  StoreRequest request;
  request.method = ask.method;
  request.action = ask.action;
  request.location = name.location;
  const size_t host = endpoint.find("://") + 3;
  // What stands behind the host is a path in front of all others.
  const size_t path = std::min(endpoint.find('/', host), endpoint.size());
  request.origin = endpoint.substr(0, path);
  if (!path_style) request.origin.insert(host, name.bucket + ".");
  request.target = endpoint.substr(path) + "/" + (path_style ? http::PercentEncoded(name.bucket) + "/" : "");
  if (!ask.on_bucket) request.target += EncodedKey(name.key);
  if (!ask.query.empty()) request.target += "?" + ask.query;
  request.headers = ask.headers;
  if (options_.requester_pays) request.headers.push_back("x-amz-request-payer: requester");
  request.body = ask.body;
  request.is_repeatable = ask.is_repeatable;
  request.is_stoppable = ask.is_stoppable;
  return request;
}

Result<http::HttpResponse> S3Store::Send(const ObjectName& name, const Ask& ask) {
  std::string region = RegionOf(name.bucket);
  for (bool moved = false;; moved = true) {
    AwsAuthorizer authorizer(options_.anonymous ? nullptr : credentials_.get(), region, client_.clock());
    ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, client_.Send(RequestOf(name, ask, region), authorizer));
    if (moved || !IsElsewhere(response)) return response;
    const std::string there = ReadS3Error(response).region;
    if (there.empty() || there == region) return response;
    region = there;
    std::lock_guard lock(mutex_);
    regions_[name.bucket] = region;
  }
}

Status S3Store::FailureOf(const ObjectName& name, const Ask& ask, const http::HttpResponse& response,
                          const std::string& right) const {
  return S3Failure(RequestOf(name, ask, place_.region), response, right);
}

Result<http::HttpResponse> S3Store::Ask200(const ObjectName& name, const Ask& ask, const std::string& right) {
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(name, ask));
  if (!IsSuccess(response)) return FailureOf(name, ask, response, right);
  return response;
}

Result<ObjectHead> S3Store::Head(const ObjectName& name) {
  Ask ask{.method = "HEAD", .action = "look for", .headers = customer_key_headers_};
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(name, ask));
  if (response.status == 200) {
    ObjectHead head;
    ARROW_ASSIGN_OR_RAISE(head.size, NumberOf(response.header("content-length"), "Content-Length", name.location));
    head.etag = response.header("etag");
    head.write_id = response.header(kWriteIdHeader);
    return head;
  }
  if (response.status != 404) {
    // An answer to HEAD has no body that says why: the same question with GET has.
    ask.method = "GET";
    ask.headers.push_back("Range: bytes=0-0");
    ARROW_ASSIGN_OR_RAISE(const http::HttpResponse told, Send(name, ask));
    if (!IsSuccess(told)) response = told;
  }
  return FailureOf(name, ask, response, "s3:GetObject");
}

Result<std::string> S3Store::Get(const ObjectName& name) {
  const Ask ask{.method = "GET", .action = "read", .headers = customer_key_headers_};
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Ask200(name, ask, "s3:GetObject"));
  return std::move(response.body);
}

Result<std::shared_ptr<arrow::Buffer>> S3Store::GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                         const std::string& etag) {
  Ask ask{.method = "GET", .action = "read", .headers = customer_key_headers_, .is_stoppable = true};
  ask.headers.push_back(fmt::format("Range: bytes={}-{}", offset, offset + length - 1));
  if (!etag.empty()) ask.headers.push_back("If-Match: " + etag);
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(name, ask));
  if (response.status == 416) return BufferOf("");
  if (!IsSuccess(response)) return FailureOf(name, ask, response, "s3:GetObject");
  auto bytes = BufferOf(std::move(response.body));
  if (response.status == 206) return bytes;
  // A store that does not know ranges sent it all.
  const int64_t begin = std::min(offset, bytes->size());
  return arrow::SliceBuffer(bytes, begin, std::min(length, bytes->size() - begin));
}

std::vector<std::string> S3Store::WriteHeaders(const WriteMode& mode) const {
  std::vector<std::string> headers = customer_key_headers_;
  headers.push_back("Content-Type: application/octet-stream");
  if (!mode.write_id.empty()) headers.push_back(fmt::format("{}: {}", kWriteIdHeader, mode.write_id));
  if (options_.encryption == ServerSideEncryption::kS3) headers.push_back("x-amz-server-side-encryption: AES256");
  if (options_.encryption == ServerSideEncryption::kKms) {
    headers.push_back("x-amz-server-side-encryption: aws:kms");
    if (!options_.kms_key.empty()) {
      headers.push_back("x-amz-server-side-encryption-aws-kms-key-id: " + options_.kms_key);
    }
  }
  return headers;
}

Status S3Store::Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) {
  Ask ask{.method = "PUT", .action = "write", .headers = WriteHeaders(mode), .body = std::move(bytes)};
  if (mode.exclusive) ask.headers.push_back("If-None-Match: *");
  ask.is_repeatable = !mode.exclusive;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(name, ask));
  if (IsSuccess(response)) return Status::OK();
  if (mode.exclusive && response.status == 412) {
    return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", name.location));
  }
  return FailureOf(name, ask, response, "s3:PutObject");
}

Status S3Store::Delete(const ObjectName& name) {
  const Ask ask{.method = "DELETE", .action = "delete"};
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(name, ask));
  if (IsSuccess(response)) return Status::OK();
  const Status failure = FailureOf(name, ask, response, "s3:DeleteObject");
  return KindOf(failure) == ErrorKind::kNotFound ? Status::OK() : failure;
}

Result<ListedPage> S3Store::List(const ObjectName& prefix, bool folders, const std::string& page) {
  Ask ask{.method = "GET", .action = "list", .on_bucket = true};
  if (!page.empty()) ask.query += "continuation-token=" + http::PercentEncoded(page) + "&";
  if (folders) ask.query += "delimiter=%2F&";
  ask.query += "encoding-type=url&list-type=2&prefix=" + http::PercentEncoded(prefix.key);
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Ask200(prefix, ask, "s3:ListBucket"));
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, XmlOf(response, "ListBucketResult", prefix.location));
  const bool encoded = root.ChildText("EncodingType") == "url";
  ListedPage listed;
  for (const XmlElement* object : root.Children("Contents")) {
    ListedObject one;
    one.key = DecodedKey(object->ChildText("Key"), encoded);
    ARROW_ASSIGN_OR_RAISE(one.size, NumberOf(object->ChildText("Size"), "Size", prefix.location));
    ARROW_ASSIGN_OR_RAISE(one.mtime_ms, TimeOf(object->ChildText("LastModified")));
    listed.objects.push_back(std::move(one));
  }
  for (const XmlElement* folder : root.Children("CommonPrefixes")) {
    listed.prefixes.push_back(DecodedKey(folder->ChildText("Prefix"), encoded));
  }
  if (root.ChildText("IsTruncated") != "true") return listed;
  listed.next = root.ChildText("NextContinuationToken");
  if (!listed.next.empty()) return listed;
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("{}: the store's listing goes on without a token", prefix.location));
}

Result<std::string> S3Store::BeginUpload(const ObjectName& name, const WriteMode& mode) {
  const Ask ask{.method = "POST", .action = "write", .query = "uploads=", .headers = WriteHeaders(mode)};
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Ask200(name, ask, "s3:PutObject"));
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, XmlOf(response, "InitiateMultipartUploadResult", name.location));
  const std::string& id = root.ChildText("UploadId");
  if (id.empty()) return MakeError(ErrorKind::kCorrupt, fmt::format("{}: an upload without an id", name.location));
  return id;
}

Result<std::string> S3Store::UploadPart(const ObjectName& name, const std::string& upload, int number,
                                        std::shared_ptr<arrow::Buffer> bytes) {
  Ask ask{.method = "PUT", .action = "write", .headers = customer_key_headers_, .body = std::move(bytes)};
  ask.headers.push_back("Content-Type: application/octet-stream");
  ask.query = fmt::format("partNumber={}&uploadId={}", number, http::PercentEncoded(upload));
  ask.is_stoppable = true;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Ask200(name, ask, "s3:PutObject"));
  const std::string& etag = response.header("etag");
  if (etag.empty()) return MakeError(ErrorKind::kCorrupt, fmt::format("{}: a part without an ETag", name.location));
  return etag;
}

Status S3Store::CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>& parts,
                               const WriteMode& mode) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < parts.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, XmlEscaped(parts[i]));
  }
  body += "</CompleteMultipartUpload>";
  Ask ask{.method = "POST", .action = "write", .headers = customer_key_headers_, .body = BufferOf(std::move(body))};
  ask.query = "uploadId=" + http::PercentEncoded(upload);
  ask.headers.push_back("Content-Type: application/xml");
  if (mode.exclusive) ask.headers.push_back("If-None-Match: *");
  ask.is_repeatable = false;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(name, ask));
  if (IsSuccess(response)) return Status::OK();
  if (mode.exclusive && response.status == 412) {
    return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", name.location));
  }
  return FailureOf(name, ask, response, "s3:PutObject");
}

Status S3Store::AbortUpload(const ObjectName& name, const std::string& upload) {
  const Ask ask{
      .method = "DELETE", .action = "abort the upload of", .query = "uploadId=" + http::PercentEncoded(upload)};
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(name, ask));
  if (IsSuccess(response) || response.status == 404) return Status::OK();
  return FailureOf(name, ask, response, "s3:AbortMultipartUpload");
}

Result<std::vector<PendingUpload>> S3Store::ListUploads(const ObjectName& prefix) {
  std::vector<PendingUpload> uploads;
  std::string key_marker, id_marker;
  while (true) {
    Ask ask{.method = "GET", .action = "list uploads below", .on_bucket = true};
    ask.query = "encoding-type=url";
    if (!key_marker.empty()) ask.query += "&key-marker=" + http::PercentEncoded(key_marker);
    ask.query += "&prefix=" + http::PercentEncoded(prefix.key);
    if (!id_marker.empty()) ask.query += "&upload-id-marker=" + http::PercentEncoded(id_marker);
    ask.query += "&uploads=";
    ARROW_ASSIGN_OR_RAISE(const auto response, Ask200(prefix, ask, "s3:ListBucketMultipartUploads"));
    ARROW_ASSIGN_OR_RAISE(const XmlElement root, XmlOf(response, "ListMultipartUploadsResult", prefix.location));
    const bool encoded = root.ChildText("EncodingType") == "url";
    for (const XmlElement* upload : root.Children("Upload")) {
      ARROW_ASSIGN_OR_RAISE(const int64_t begun_ms, TimeOf(upload->ChildText("Initiated")));
      uploads.push_back({DecodedKey(upload->ChildText("Key"), encoded), upload->ChildText("UploadId"), begun_ms});
    }
    key_marker = DecodedKey(root.ChildText("NextKeyMarker"), encoded);
    id_marker = root.ChildText("NextUploadIdMarker");
    if (root.ChildText("IsTruncated") != "true" || key_marker.empty()) return uploads;
  }
}

}  // namespace calve::objectstore
