// Azure Blob Storage, and Data Lake Storage by its Blob end point. A bucket's name is "container@host", as abfss://
// locations have it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/objectstore/azure_auth.h"
#include "calve/objectstore/object_store.h"
#include "calve/objectstore/store_client.h"

namespace calve::objectstore {

class AzureDialect : public Dialect {
 public:
  Answer Read(const StoreRequest& request, const http::HttpResponse& response) const override;
  std::string Describe(const http::HttpResponse& response) const override;
};

class AzureStore : public ObjectStore {
 public:
  // `stop` and `clock` must outlive it. kConfig for options that only S3 has.
  static Result<std::unique_ptr<AzureStore>> Make(const StoreOptions& options, AzureAccount account,
                                                  const StopToken& stop, const Clock& clock);

  Result<ObjectHead> Head(const ObjectName& name) override;
  Result<std::string> Get(const ObjectName& name) override;
  Result<std::shared_ptr<arrow::Buffer>> GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                  const std::string& etag) override;
  Status Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) override;
  Status Delete(const ObjectName& name) override;
  Result<ListedPage> List(const ObjectName& prefix, bool folders, const std::string& page) override;
  // Blocks that are never put together end after a week: Azure neither lists them by folder nor takes them away.
  Result<std::string> BeginUpload(const ObjectName& name, const WriteMode& mode) override;
  Result<std::string> UploadPart(const ObjectName& name, const std::string& upload, int number,
                                 std::shared_ptr<arrow::Buffer> bytes) override;
  Status CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>& parts,
                        const WriteMode& mode) override;
  Status AbortUpload(const ObjectName& name, const std::string& upload) override;
  Result<std::vector<PendingUpload>> ListUploads(const ObjectName& prefix) override;
  int parts_max() const override { return 50'000; }

 private:
  AzureStore(const StoreOptions& options, AzureAccount account, const StopToken& stop, const Clock& clock);
  // `query`: encoded, may be empty. Without a key: of the container.
  StoreRequest RequestOf(const ObjectName& name, std::string method, std::string action, std::string query = "") const;
  Result<http::HttpResponse> Send(const StoreRequest& request);
  Status Write(StoreRequest request, const WriteMode& mode);

  // Constant after construction.
  const AzureAccount account_;
  const AzureDialect dialect_;
  StoreClient client_;
};

}  // namespace calve::objectstore
