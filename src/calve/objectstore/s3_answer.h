// What S3's answers mean: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what other servers
// make of it.
#pragma once

#include <string>

#include "calve/objectstore/store_client.h"

namespace calve::objectstore {

struct S3Error {
  std::string code, message;  // empty where the answer has no body that says (all answers to HEAD)
  std::string region;         // where the bucket is, if the answer tells
};
S3Error ReadS3Error(const http::HttpResponse& response);

class S3Dialect : public Dialect {
 public:
  Answer Read(const StoreRequest& request, const http::HttpResponse& response) const override;
  std::string Describe(const http::HttpResponse& response) const override;
};

// The bucket is in another region than the one that was asked or signed for.
bool IsElsewhere(const http::HttpResponse& response);
// A success of the kind that says so in its body, too (CompleteMultipartUpload may answer 200 with an error inside).
bool IsSuccess(const http::HttpResponse& response);
// Of a final answer that is no success: kind, message and remedy. `right` is what the caller needs ("s3:PutObject").
Status S3Failure(const StoreRequest& request, const http::HttpResponse& response, const std::string& right);

}  // namespace calve::objectstore
