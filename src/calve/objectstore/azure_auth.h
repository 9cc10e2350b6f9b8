// Who calve is to Azure Storage: a shared key, a shared access signature, or a token of Entra ID.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/objectstore/access_token.h"
#include "calve/objectstore/environment.h"

namespace calve::objectstore {

// How one account is asked. Of `sas`, `key` and `tokens` at most one.
struct AzureAccount {
  std::string name;
  std::string endpoint;  // https://ACCOUNT.blob.core.windows.net, or http://127.0.0.1:10000/ACCOUNT
  std::string sas;       // without the question mark
  std::string key;       // decoded
  std::shared_ptr<TokenSource> tokens;
};

// AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_KEY, where AZURE_STORAGE_ACCOUNT is this account or not set; else tokens: a
// client secret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), a workload identity
// (AZURE_FEDERATED_TOKEN_FILE), the machine's managed identity. `host` is what the location says
// ("ACCOUNT.dfs.core.windows.net"). `stop` and `clock` must outlive it.
Result<AzureAccount> ResolveAzureAccount(const std::string& host, const StoreOptions& options,
                                         const Environment& environment, const StopToken& stop, const Clock& clock);

// Signs with the account's key, adds its signature, or a token.
class AzureAuthorizer : public Authorizer {
 public:
  AzureAuthorizer(const AzureAccount& account, const Clock& clock)
      : account_(account), bearer_(account.tokens.get()), clock_(clock) {}
  Status Authorize(const StoreRequest& request, std::vector<std::string>* headers) override;
  Result<bool> Renew(const StoreRequest& request) override { return bearer_.Renew(request); }

 private:
  const AzureAccount& account_;
  BearerAuthorizer bearer_;
  const Clock& clock_;
};

// The text that a shared key signs: "Authorize with Shared Key", Blob service, from version 2015-02-21.
std::string AzureStringToSign(const StoreRequest& request, const std::vector<std::string>& headers,
                              const std::string& account);

}  // namespace calve::objectstore
