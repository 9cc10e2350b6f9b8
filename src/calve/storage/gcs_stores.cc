#include "calve/storage/gcs_stores.h"

#include <fmt/format.h>

#include "calve/objectstore/gcs_store.h"
#include "calve/objectstore/google_tokens.h"

namespace calve::storage {
namespace {

constexpr const char* kEndpoint = "https://storage.googleapis.com";
constexpr const char* kToken = "gcs.oauth2.token";

std::string ValueOf(const StorageCredential* credential, const char* name) {
  if (!credential) return "";
  const auto found = credential->config.find(name);
  return found == credential->config.end() ? "" : found->second;
}

// The token that the book has for a location. One that ends is renewed by the catalog.
std::shared_ptr<objectstore::TokenSource> VendedToken(StorageCredentials& book, const std::string& location,
                                                      const Clock& clock) {
  auto place = [&book, location, asked = std::make_shared<bool>(false)](
                   std::string* why) -> Result<std::optional<objectstore::AccessToken>> {
    auto credential = book.Find(location);
    if (credential && *asked) {
      ARROW_RETURN_NOT_OK(book.Refresh(location, credential->config));
      credential = book.Find(location);
    }
    *asked = true;
    if (!credential) {
      *why = "the catalog no longer vends any";
      return std::nullopt;
    }
    return objectstore::AccessToken{ValueOf(&*credential, kToken), ExpiresAtMs(*credential).value_or(0)};
  };
  return std::make_shared<objectstore::TokenSource>(std::vector<objectstore::TokenPlace>{place},
                                                    "Check that the catalog vends credentials for this table.", clock);
}

}  // namespace

Result<std::shared_ptr<objectstore::ObjectStore>> GcsStores::StoreOf(const std::string& location) {
  const auto vended = context_.credentials ? context_.credentials->Find(location) : std::nullopt;
  const std::string name = vended ? vended->prefix + "\n" + ValueOf(&*vended, "gcs.service.host") : "";
  std::lock_guard lock(mutex_);
  auto& store = stores_[name];
  if (!store) {
    ARROW_ASSIGN_OR_RAISE(store, Make(vended ? &*vended : nullptr, location));
  }
  return store;
}

Result<std::shared_ptr<objectstore::ObjectStore>> GcsStores::Make(const StorageCredential* vended,
                                                                  const std::string& location) const {
  std::string endpoint = ValueOf(vended, "gcs.service.host");
  if (endpoint.empty()) endpoint = context_.options.endpoint;
  bool anonymous = context_.options.anonymous || ValueOf(vended, "gcs.no-auth") == "true";
  if (const std::string emulator = environment_("STORAGE_EMULATOR_HOST"); endpoint.empty() && !emulator.empty()) {
    endpoint = emulator.find("://") == std::string::npos ? "http://" + emulator : emulator;
    anonymous = true;
  }
  if (endpoint.empty()) endpoint = kEndpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  std::shared_ptr<objectstore::TokenSource> tokens;
  if (!ValueOf(vended, kToken).empty()) {
    tokens = VendedToken(*context_.credentials, location, *context_.clock);
  } else if (!anonymous) {
    tokens = objectstore::GoogleTokens(environment_, context_.options.ca_file, *context_.stop, *context_.clock);
  }
  return objectstore::GcsStore::Make(context_.options, endpoint, std::move(tokens), *context_.stop, *context_.clock);
}

}  // namespace calve::storage
