#include "calve/objectstore/s3_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "calve/objectstore/xml.h"

namespace calve::objectstore {
namespace {

bool IsOneOf(const std::string& code, std::initializer_list<const char*> codes) {
  return std::any_of(codes.begin(), codes.end(), [&](const char* one) { return code == one; });
}

bool IsRegionName(const std::string& text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '-';
  });
}

bool MeansExpired(const http::HttpResponse& response, const S3Error& error, bool is_head) {
  if (IsOneOf(error.code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException"}))
    return true;
  // What AWS answers to HEAD then: it cannot say more.
  return is_head && response.status == 400 && response.header("x-amz-bucket-region").empty();
}

struct Meaning {
  ErrorKind kind;
  std::string remedy;
};

Meaning MeaningOfRefusal(const S3Error& error, const std::string& right) {
  if (error.code == "SignatureDoesNotMatch") {
    return {ErrorKind::kConfig, "Check the secret access key, and that no proxy changes requests on their way."};
  }
  if (IsOneOf(error.code, {"InvalidAccessKeyId", "InvalidAccessKey", "XAdminUserNotFound"})) {
    return {ErrorKind::kConfig, "Check the access key id: this store does not know it."};
  }
  if (error.code == "RequestTimeTooSkewed") {
    return {ErrorKind::kConfig, "Set the clock of this machine (NTP)."};
  }
  if (IsOneOf(error.code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})) {
    return {ErrorKind::kConfig, "Renew the session that the credentials are of."};
  }
  return {ErrorKind::kConfig,
          fmt::format("Give the user or role of the credentials the right {} there (docs/stores.md).", right)};
}

Meaning MeaningOf(const http::HttpResponse& response, const S3Error& error, const std::string& right) {
  const int status = response.status;
  if (error.code == "NoSuchBucket") {
    return {ErrorKind::kConfig, "Create the bucket, or check its name, the end point and the region."};
  }
  if (IsElsewhere(response)) {
    return {ErrorKind::kConfig, fmt::format("Set the region with --store-region (store: region){}.",
                                            error.region.empty() ? "" : " to " + error.region)};
  }
  if (IsOneOf(error.code,
              {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}) ||
      status == 507) {
    return {ErrorKind::kFailed, "Free space in the store, or raise its quota."};
  }
  // Some servers say 404 also where they do not know who asks.
  if (status == 404 && IsOneOf(error.code, {"", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"})) {
    return {ErrorKind::kNotFound, ""};
  }
  if (MeansExpired(response, error, false) || status == 401 || status == 403 || error.code == "XAdminUserNotFound") {
    return MeaningOfRefusal(error, right);
  }
  if (error.code.starts_with("KMS."))
    return {ErrorKind::kConfig, "Check the key (--store-kms-key) and the right to use it."};
  if (status == 501)
    return {ErrorKind::kUnsupported, "This store cannot do that: use another one, or another catalog."};
  if (status == 412) return {ErrorKind::kFailed, "It was replaced meanwhile: run again."};
  return {ErrorKind::kFailed, ""};
}

}  // namespace

S3Error ReadS3Error(const http::HttpResponse& response) {
  S3Error error;
  error.region = response.header("x-amz-bucket-region");
  if (auto root = ParseXml(response.body); root.ok() && root->name == "Error") {
    error.code = root->ChildText("Code");
    error.message = root->ChildText("Message");
    if (error.region.empty() && response.status >= 300) error.region = root->ChildText("Region");
  }
  if (!IsRegionName(error.region)) error.region.clear();
  return error;
}

bool IsElsewhere(const http::HttpResponse& response) {
  const int status = response.status;
  if (status == 301 || status == 307) return true;
  if (status == 400 && !response.header("x-amz-bucket-region").empty()) return true;
  const std::string code = status == 400 || status == 403 ? ReadS3Error(response).code : "";
  return IsOneOf(code, {"AuthorizationHeaderMalformed", "InvalidRegion", "IllegalLocationConstraintException"});
}

Dialect::Answer S3Dialect::Read(const StoreRequest& request, const http::HttpResponse& response) const {
  if (IsSuccess(response)) return Answer::kFinal;
  const int status = response.status;
  const S3Error error = ReadS3Error(response);
  if (MeansExpired(response, error, request.method == "HEAD")) return Answer::kCredentials;
  if (status == 503 || status == 429 ||
      IsOneOf(error.code, {"SlowDown", "ServiceUnavailable", "RequestTimeout", "RequestLimitExceeded", "Throttling",
                           "ThrottlingException", "OperationAborted", "ConditionalRequestConflict",
                           // Gateways to a file system: another request is making the folders on the way to the name.
                           "ExistingObjectIsDirectory"})) {
    return Answer::kNotDone;
  }
  if (status == 500 || status == 502 || status == 504 || status == 408 || error.code == "InternalError") {
    return Answer::kTryAgain;
  }
  return Answer::kFinal;
}

std::string S3Dialect::Describe(const http::HttpResponse& response) const {
  const S3Error error = ReadS3Error(response);
  std::string text = std::to_string(response.status);
  if (!error.code.empty()) text += " " + error.code;
  if (!error.message.empty()) text += ": " + error.message;
  return text;
}

bool IsSuccess(const http::HttpResponse& response) {
  if (response.status / 100 != 2) return false;
  // Bodies of data are not looked into: their answers have a type of their own, or are ranges.
  const bool may_say_otherwise = response.status == 200 && response.body.size() < 4096 &&
                                 response.header("content-type").find("xml") != std::string::npos;
  return !may_say_otherwise || ReadS3Error(response).code.empty();
}

Status S3Failure(const StoreRequest& request, const http::HttpResponse& response, const std::string& right) {
  const S3Error error = ReadS3Error(response);
  const Meaning meaning = MeaningOf(response, error, right);
  std::string what = meaning.kind == ErrorKind::kNotFound ? "no such object" : S3Dialect().Describe(response);
  if (IsElsewhere(response) && !error.region.empty()) what += " (the bucket is in " + error.region + ")";
  return MakeError(meaning.kind, fmt::format("cannot {} {}: {}", request.action, request.location, what),
                   meaning.remedy);
}

}  // namespace calve::objectstore
