#include "calve/storage/azure_stores.h"

#include <fmt/format.h>

#include "calve/objectstore/azure_store.h"
#include "calve/storage/object_location.h"

namespace calve::storage {
namespace {

// "adls.sas-token.ACCOUNT", or with the whole host in the account's place.
std::string VendedSas(const StorageCredential& credential, const std::string& host) {
  for (const std::string& name : {host, host.substr(0, host.find('.'))}) {
    const auto found = credential.config.find("adls.sas-token." + name);
    if (found != credential.config.end()) return found->second;
  }
  return "";
}

}  // namespace

Result<std::shared_ptr<objectstore::ObjectStore>> AzureStores::StoreOf(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const objectstore::ObjectName name, ParseObjectLocation(location));
  const size_t at = name.bucket.find('@');
  if (at == std::string::npos || at == 0 || at + 1 == name.bucket.size()) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} names no account", location),
                     "Write it as abfss://container@account.dfs.core.windows.net/path.");
  }
  const std::string host = name.bucket.substr(at + 1);
  // A signature that has expired is not renewed in an open store: what comes instead is another one's name.
  const auto vended = context_.credentials ? context_.credentials->Find(location) : std::nullopt;
  const std::string sas = vended ? VendedSas(*vended, host) : "";
  std::lock_guard lock(mutex_);
  auto& store = stores_[host + "\n" + sas];
  if (!store) {
    ARROW_ASSIGN_OR_RAISE(auto account, objectstore::ResolveAzureAccount(host, context_.options, environment_,
                                                                         *context_.stop, *context_.clock));
    if (!sas.empty()) {
      account.sas = sas.starts_with('?') ? sas.substr(1) : sas;
      account.key.clear();
      account.tokens = nullptr;
    }
    ARROW_ASSIGN_OR_RAISE(
        store, objectstore::AzureStore::Make(context_.options, std::move(account), *context_.stop, *context_.clock));
  }
  return store;
}

}  // namespace calve::storage
