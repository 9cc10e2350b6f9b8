// Google Cloud Storage, over its JSON API: https://cloud.google.com/storage/docs/json_api. Parts of a large object go
// into one resumable upload, one after the other.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/objectstore/access_token.h"
#include "calve/objectstore/object_store.h"
#include "calve/objectstore/store_client.h"

namespace calve::objectstore {

class GcsDialect : public Dialect {
 public:
  Answer Read(const StoreRequest& request, const http::HttpResponse& response) const override;
  std::string Describe(const http::HttpResponse& response) const override;
};

class GcsStore : public ObjectStore {
 public:
  // `tokens`: null for requests without. `stop` and `clock` must outlive it. kConfig for options that only S3 has.
  static Result<std::unique_ptr<GcsStore>> Make(const StoreOptions& options, std::string endpoint,
                                                std::shared_ptr<TokenSource> tokens, const StopToken& stop,
                                                const Clock& clock);

  Result<ObjectHead> Head(const ObjectName& name) override;
  Result<std::string> Get(const ObjectName& name) override;
  Result<std::shared_ptr<arrow::Buffer>> GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                  const std::string& generation) override;
  Status Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) override;
  Status Delete(const ObjectName& name) override;
  Result<ListedPage> List(const ObjectName& prefix, bool folders, const std::string& page) override;
  Result<std::string> BeginUpload(const ObjectName& name, const WriteMode& mode) override;
  // Parts but the last must be multiples of 256 KiB.
  Result<std::string> UploadPart(const ObjectName& name, const std::string& upload, int number,
                                 std::shared_ptr<arrow::Buffer> bytes) override;
  Status CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>& parts,
                        const WriteMode& mode) override;
  Status AbortUpload(const ObjectName& name, const std::string& upload) override;
  // Google does not tell; uploads that nobody goes on with end after a week.
  Result<std::vector<PendingUpload>> ListUploads(const ObjectName& prefix) override;
  int parts_max() const override { return 1'000'000; }

 private:
  // An upload under way: parts wait for their turn.
  struct Session {
    int next = 1;
    int64_t offset = 0;
    std::shared_ptr<arrow::Buffer> last;  // its size says that no other comes after it: sent with the end
    Status failure;
  };

  GcsStore(const StoreOptions& options, std::string endpoint, std::shared_ptr<TokenSource> tokens,
           const StopToken& stop, const Clock& clock);
  StoreRequest RequestOf(const ObjectName& name, std::string method, std::string action, std::string target) const;
  StoreRequest SessionRequest(const ObjectName& name, const std::string& upload, std::string method,
                              std::string action) const;
  Result<http::HttpResponse> Send(const StoreRequest& request);
  Status SendPart(const ObjectName& name, const std::string& upload, int64_t offset,
                  std::shared_ptr<arrow::Buffer> bytes);
  std::string ObjectTarget(const ObjectName& name) const;

  // Constant after construction.
  const std::string endpoint_;
  const std::shared_ptr<TokenSource> tokens_;
  const StopToken& stop_;
  const GcsDialect dialect_;
  StoreClient client_;

  std::mutex mutex_;
  std::condition_variable turn_;
  std::map<std::string, Session> sessions_;  // by upload; protected by mutex_
};

}  // namespace calve::objectstore
