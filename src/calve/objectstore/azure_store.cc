#include "calve/objectstore/azure_store.h"

#include <fmt/format.h>

#include <charconv>

#include "calve/base/random.h"
#include "calve/http/http_date.h"
#include "calve/http/percent_encoding.h"
#include "calve/objectstore/base64.h"
#include "calve/objectstore/xml.h"

namespace calve::objectstore {
namespace {

constexpr const char* kVersion = "x-ms-version: 2021-08-06";
constexpr const char* kWriteIdHeader = "x-ms-meta-calvewrite";  // names of metadata are identifiers of C#
constexpr const char* kBlobs = "storage blob data contributor";

bool Is2xx(const http::HttpResponse& response) { return response.status / 100 == 2; }

std::string CodeOf(const http::HttpResponse& response) {
  const std::string& code = response.header("x-ms-error-code");
  if (!code.empty()) return code;
  auto root = ParseXml(response.body);
  return root.ok() ? root->ChildText("Code") : "";
}

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

Result<int64_t> NumberOf(const std::string& text, const std::string& location) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return value;
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's size '{}' is no number", location, text));
}

Status FailureOf(const StoreRequest& request, const http::HttpResponse& response) {
  const std::string code = CodeOf(response);
  std::string what = AzureDialect().Describe(response);
  ErrorKind kind = ErrorKind::kFailed;
  std::string remedy;
  if (code == "ContainerNotFound") {
    kind = ErrorKind::kConfig;
    remedy = "Create the container, or check its name and the account's.";
  } else if (response.status == 404) {
    kind = ErrorKind::kNotFound;
    what = "no such blob";
  } else if (code == "AuthenticationFailed" || response.status == 401) {
    kind = ErrorKind::kConfig;
    remedy = "Check the account's key, the shared access signature or the login, and this machine's clock.";
  } else if (response.status == 403) {
    kind = ErrorKind::kConfig;
    remedy = fmt::format("Give the identity the role {} on the container (docs/stores.md).", kBlobs);
  } else if (response.status == 412) {
    remedy = "It was replaced meanwhile: run again.";
  }
  return MakeError(kind, fmt::format("cannot {} {}: {}", request.action, request.location, what), remedy);
}

}  // namespace

Dialect::Answer AzureDialect::Read(const StoreRequest&, const http::HttpResponse& response) const {
  const int status = response.status;
  if (status == 401) return Answer::kCredentials;
  if (status == 429 || (status == 503 && CodeOf(response) == "ServerBusy")) return Answer::kNotDone;
  if (status == 408 || status == 500 || status == 502 || status == 503 || status == 504) return Answer::kTryAgain;
  return Answer::kFinal;
}

std::string AzureDialect::Describe(const http::HttpResponse& response) const {
  std::string text = std::to_string(response.status);
  if (const std::string code = CodeOf(response); !code.empty()) text += " " + code;
  if (auto root = ParseXml(response.body); root.ok()) {
    std::string message = root->ChildText("Message");
    message = message.substr(0, message.find('\n'));  // an id and a time follow
    if (!message.empty()) text += ": " + message;
  }
  return text;
}

AzureStore::AzureStore(const StoreOptions& options, AzureAccount account, const StopToken& stop, const Clock& clock)
    : account_(std::move(account)), client_(options, dialect_, stop, clock) {}

Result<std::unique_ptr<AzureStore>> AzureStore::Make(const StoreOptions& options, AzureAccount account,
                                                     const StopToken& stop, const Clock& clock) {
  if (options.encryption != ServerSideEncryption::kNone || options.requester_pays) {
    return MakeError(ErrorKind::kConfig, "encryption and requester_pays are options of S3, not of Azure's store",
                     "Leave them out; give the account or container a key of its own.");
  }
  return std::unique_ptr<AzureStore>(new AzureStore(options, std::move(account), stop, clock));
}

StoreRequest AzureStore::RequestOf(const ObjectName& name, std::string method, std::string action,
                                   std::string query) const {
  StoreRequest request;
  // An end point may have the account as a path; it belongs to the target.
  const size_t path =
      std::min(account_.endpoint.find('/', account_.endpoint.find("://") + 3), account_.endpoint.size());
  request.origin = account_.endpoint.substr(0, path);
  const std::string container = name.bucket.substr(0, name.bucket.find('@'));
  request.target = account_.endpoint.substr(path) + "/" + http::PercentEncoded(container);
  if (!name.key.empty()) request.target += "/" + EncodedKey(name.key);
  if (!account_.sas.empty()) query += (query.empty() ? "" : "&") + account_.sas;
  if (!query.empty()) request.target += "?" + query;
  request.headers = {kVersion};
  // libcurl would add one of its own, which would not be signed.
  if (method != "GET" && method != "HEAD") request.headers.push_back("Content-Type: application/octet-stream");
  request.method = std::move(method);
  request.action = std::move(action);
  request.location = name.location;
  return request;
}

Result<http::HttpResponse> AzureStore::Send(const StoreRequest& request) {
  AzureAuthorizer authorizer(account_, client_.clock());
  return client_.Send(request, authorizer);
}

Result<ObjectHead> AzureStore::Head(const ObjectName& name) {
  const StoreRequest request = RequestOf(name, "HEAD", "look for");
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response);
  ObjectHead head;
  ARROW_ASSIGN_OR_RAISE(head.size, NumberOf(response.header("content-length"), name.location));
  head.etag = response.header("etag");
  head.write_id = response.header(kWriteIdHeader);
  return head;
}

Result<std::string> AzureStore::Get(const ObjectName& name) {
  const StoreRequest request = RequestOf(name, "GET", "read");
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response);
  return std::move(response.body);
}

Result<std::shared_ptr<arrow::Buffer>> AzureStore::GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                            const std::string& etag) {
  StoreRequest request = RequestOf(name, "GET", "read");
  request.headers.push_back(fmt::format("Range: bytes={}-{}", offset, offset + length - 1));
  if (!etag.empty()) request.headers.push_back("If-Match: " + etag);
  request.is_stoppable = true;
  ARROW_ASSIGN_OR_RAISE(http::HttpResponse response, Send(request));
  if (response.status == 416) return arrow::Buffer::FromString("");
  if (!Is2xx(response)) return FailureOf(request, response);
  auto bytes = arrow::Buffer::FromString(std::move(response.body));
  if (response.status == 206) return bytes;
  const int64_t begin = std::min(offset, bytes->size());
  return arrow::SliceBuffer(bytes, begin, std::min(length, bytes->size() - begin));
}

Status AzureStore::Write(StoreRequest request, const WriteMode& mode) {
  if (mode.exclusive) request.headers.push_back("If-None-Match: *");
  if (!mode.write_id.empty()) request.headers.push_back(fmt::format("{}: {}", kWriteIdHeader, mode.write_id));
  request.is_repeatable = !mode.exclusive;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (Is2xx(response)) return Status::OK();
  const bool exists = response.status == 412 || CodeOf(response) == "BlobAlreadyExists";
  if (!mode.exclusive || !exists) return FailureOf(request, response);
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", request.location));
}

Status AzureStore::Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) {
  StoreRequest request = RequestOf(name, "PUT", "write");
  request.headers.push_back("x-ms-blob-type: BlockBlob");
  request.body = std::move(bytes);
  return Write(std::move(request), mode);
}

Status AzureStore::Delete(const ObjectName& name) {
  const StoreRequest request = RequestOf(name, "DELETE", "delete");
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (Is2xx(response)) return Status::OK();
  const Status failure = FailureOf(request, response);
  return KindOf(failure) == ErrorKind::kNotFound ? Status::OK() : failure;
}

Result<ListedPage> AzureStore::List(const ObjectName& prefix, bool folders, const std::string& page) {
  std::string query = "comp=list";
  if (folders) query += "&delimiter=%2F";
  if (!page.empty()) query += "&marker=" + http::PercentEncoded(page);
  query += "&prefix=" + http::PercentEncoded(prefix.key) + "&restype=container";
  const StoreRequest request = RequestOf({prefix.bucket, "", prefix.location}, "GET", "list", query);
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response);
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, ParseXml(response.body));
  const XmlElement* blobs = root.Child("Blobs");
  if (!blobs) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("{}: the store's answer is no listing", prefix.location),
                     "Check that the end point is one of Azure's Blob service.");
  }
  ListedPage listed;
  for (const XmlElement* blob : blobs->Children("Blob")) {
    const XmlElement* properties = blob->Child("Properties");
    // Accounts with a hierarchical namespace list folders, too.
    if (!properties || properties->ChildText("ResourceType") == "directory") continue;
    ListedObject object;
    object.key = blob->ChildText("Name");
    ARROW_ASSIGN_OR_RAISE(object.size, NumberOf(properties->ChildText("Content-Length"), prefix.location));
    object.mtime_ms = http::HttpDateMs(properties->ChildText("Last-Modified")).value_or(0);
    listed.objects.push_back(std::move(object));
  }
  for (const XmlElement* folder : blobs->Children("BlobPrefix")) listed.prefixes.push_back(folder->ChildText("Name"));
  listed.next = root.ChildText("NextMarker");
  return listed;
}

Result<std::string> AzureStore::BeginUpload(const ObjectName&, const WriteMode&) { return RandomUuid(); }

Result<std::string> AzureStore::UploadPart(const ObjectName& name, const std::string& upload, int number,
                                           std::shared_ptr<arrow::Buffer> bytes) {
  // All ids of a blob must be of one length.
  const std::string id = Base64Encoded(fmt::format("{}-{:06}", upload, number));
  StoreRequest request = RequestOf(name, "PUT", "write", "blockid=" + http::PercentEncoded(id) + "&comp=block");
  request.body = std::move(bytes);
  request.is_stoppable = true;
  ARROW_ASSIGN_OR_RAISE(const http::HttpResponse response, Send(request));
  if (!Is2xx(response)) return FailureOf(request, response);
  return id;
}

Status AzureStore::CompleteUpload(const ObjectName& name, const std::string&, const std::vector<std::string>& parts,
                                  const WriteMode& mode) {
  StoreRequest request = RequestOf(name, "PUT", "write", "comp=blocklist");
  std::string body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  for (const std::string& part : parts) body += "<Latest>" + part + "</Latest>";
  request.body = arrow::Buffer::FromString(body + "</BlockList>");
  return Write(std::move(request), mode);
}

Status AzureStore::AbortUpload(const ObjectName&, const std::string&) { return Status::OK(); }

Result<std::vector<PendingUpload>> AzureStore::ListUploads(const ObjectName&) { return std::vector<PendingUpload>(); }

}  // namespace calve::objectstore
