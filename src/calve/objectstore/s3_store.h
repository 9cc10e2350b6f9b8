// Amazon S3 and what speaks its protocol, over signed HTTP.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/objectstore/aws_credentials.h"
#include "calve/objectstore/object_store.h"
#include "calve/objectstore/s3_answer.h"
#include "calve/objectstore/store_client.h"

namespace calve::objectstore {

class S3Store : public ObjectStore {
 public:
  // `credentials`: null for requests that are not signed. `stop` and `clock` must outlive it. kConfig where the options
  // do not fit together, or a key cannot be read.
  static Result<std::unique_ptr<S3Store>> Make(const StoreOptions& options, const AwsPlace& place,
                                               std::shared_ptr<AwsCredentialSource> credentials, const StopToken& stop,
                                               const Clock& clock);

  Result<ObjectHead> Head(const ObjectName& name) override;
  Result<std::string> Get(const ObjectName& name) override;
  Result<std::shared_ptr<arrow::Buffer>> GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                  const std::string& etag) override;
  Status Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) override;
  Status Delete(const ObjectName& name) override;
  Result<ListedPage> List(const ObjectName& prefix, bool folders, const std::string& page) override;
  Result<std::string> BeginUpload(const ObjectName& name, const WriteMode& mode) override;
  Result<std::string> UploadPart(const ObjectName& name, const std::string& upload, int number,
                                 std::shared_ptr<arrow::Buffer> bytes) override;
  Status CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>& parts,
                        const WriteMode& mode) override;
  Status AbortUpload(const ObjectName& name, const std::string& upload) override;
  Result<std::vector<PendingUpload>> ListUploads(const ObjectName& prefix) override;
  int parts_max() const override { return 10'000; }

 private:
  // One request apart from where it goes and who asks.
  struct Ask {
    std::string method, action;
    std::string query = "";  // encoded
    std::vector<std::string> headers = {};
    std::shared_ptr<arrow::Buffer> body = nullptr;
    bool on_bucket = false;  // else on the key
    bool is_repeatable = true, is_stoppable = false;
  };

  S3Store(const StoreOptions& options, AwsPlace place, std::shared_ptr<AwsCredentialSource> credentials,
          const StopToken& stop, const Clock& clock);
  Status ReadCustomerKey();

  std::string RegionOf(const std::string& bucket);
  StoreRequest RequestOf(const ObjectName& name, const Ask& ask, const std::string& region) const;
  // The final answer; goes to the bucket's own region where the store names it.
  Result<http::HttpResponse> Send(const ObjectName& name, const Ask& ask);
  // The same; what is no success is an error. `right` is what the caller needs.
  Result<http::HttpResponse> Ask200(const ObjectName& name, const Ask& ask, const std::string& right);
  Status FailureOf(const ObjectName& name, const Ask& ask, const http::HttpResponse& response,
                   const std::string& right) const;
  std::vector<std::string> WriteHeaders(const WriteMode& mode) const;

  // Constant after construction.
  const StoreOptions options_;
  const AwsPlace place_;
  const std::shared_ptr<AwsCredentialSource> credentials_;
  std::vector<std::string> customer_key_headers_;  // with each request for an object's bytes
  const S3Dialect dialect_;
  StoreClient client_;

  std::mutex mutex_;
  std::map<std::string, std::string> regions_;  // of buckets that are elsewhere; protected by mutex_
};

}  // namespace calve::objectstore
