#include "calve/storage/s3_stores.h"

#include <fmt/format.h>

#include <utility>

#include "calve/objectstore/s3_store.h"

namespace calve::storage {
namespace {

using objectstore::AwsCredentials;
using objectstore::AwsCredentialSource;
using objectstore::AwsPlace;
using objectstore::StoreOptions;

// Keys are renewed so long before they end.
constexpr int64_t kStoreRenewBeforeMs = 60 * 1000;

std::string ValueOf(const std::map<std::string, std::string>& config, const char* name) {
  const auto found = config.find(name);
  return found == config.end() ? "" : found->second;
}

// Keys of the book, as long as it has some for the location.
class VendedKeys : public AwsCredentialSource {
 public:
  VendedKeys(StorageCredentials& book, std::string location, const Clock& clock)
      : book_(book), location_(std::move(location)), clock_(clock) {}

  Result<AwsCredentials> Get() override {
    auto credential = book_.Find(location_);
    if (credential && IsDue(*credential, kStoreRenewBeforeMs)) {
      const Status renewed = book_.Refresh(location_, credential->config);
      if (!renewed.ok() && IsDue(*credential, 0)) return WithContext(renewed, "renewing the table's credentials");
      credential = book_.Find(location_);
    }
    if (!credential) {
      return MakeError(ErrorKind::kConfig, fmt::format("the catalog no longer vends credentials for {}", location_));
    }
    AwsCredentials credentials;
    credentials.keys = {ValueOf(credential->config, "s3.access-key-id"),
                        ValueOf(credential->config, "s3.secret-access-key"),
                        ValueOf(credential->config, "s3.session-token")};
    credentials.expires_at_ms = ExpiresAtMs(*credential).value_or(0);
    return credentials;
  }

  Result<bool> Renew(const http::AwsKeys& refused) override {
    auto credential = book_.Find(location_);
    if (!credential) return false;
    if (Differs(*credential, refused)) return true;  // another thread did it
    ARROW_RETURN_NOT_OK(book_.Refresh(location_, credential->config));
    credential = book_.Find(location_);
    return credential && Differs(*credential, refused);
  }

 private:
  bool IsDue(const StorageCredential& credential, int64_t before_ms) const {
    const auto expires_at_ms = ExpiresAtMs(credential);
    return expires_at_ms && clock_.Now() / 1000 + before_ms >= *expires_at_ms;
  }

  static bool Differs(const StorageCredential& credential, const http::AwsKeys& refused) {
    return ValueOf(credential.config, "s3.access-key-id") != refused.access_key_id ||
           ValueOf(credential.config, "s3.session-token") != refused.session_token;
  }

  StorageCredentials& book_;
  const std::string location_;
  const Clock& clock_;
};

// What the catalog says beside the keys.
void ApplyConfig(const std::map<std::string, std::string>& config, AwsPlace* place, StoreOptions* options) {
  if (const std::string endpoint = ValueOf(config, "s3.endpoint"); !endpoint.empty()) place->endpoint = endpoint;
  while (place->endpoint.ends_with('/')) place->endpoint.pop_back();
  for (const char* name : {"client.region", "s3.region"}) {
    if (const std::string region = ValueOf(config, name); !region.empty()) place->region = region;
  }
  const std::string path_style = ValueOf(config, "s3.path-style-access");
  if (path_style == "true") options->addressing = objectstore::Addressing::kPath;
  if (path_style == "false") options->addressing = objectstore::Addressing::kVirtual;
  const std::string sse = ValueOf(config, "s3.sse.type");
  if (sse == "s3") options->encryption = objectstore::ServerSideEncryption::kS3;
  if (sse == "kms") {
    options->encryption = objectstore::ServerSideEncryption::kKms;
    options->kms_key = ValueOf(config, "s3.sse.key");
  }
}

}  // namespace

S3Stores::S3Stores(const FileIOContext& context, objectstore::Environment environment)
    : context_(context), environment_(std::move(environment)) {}

Result<std::shared_ptr<objectstore::ObjectStore>> S3Stores::StoreOf(const std::string& location) {
  const auto credential = context_.credentials ? context_.credentials->Find(location) : std::nullopt;
  std::lock_guard lock(mutex_);
  return credential ? VendedStore(location, *credential) : OwnStore();
}

Result<const AwsPlace*> S3Stores::Place() {
  if (!place_) {
    ARROW_ASSIGN_OR_RAISE(AwsPlace place, objectstore::ResolveAwsPlace(context_.options, environment_));
    chain_ = std::make_shared<objectstore::AwsCredentialChain>(context_.options, place, environment_, *context_.stop,
                                                               *context_.clock);
    place_ = std::make_unique<AwsPlace>(std::move(place));
  }
  return place_.get();
}

Result<std::shared_ptr<objectstore::ObjectStore>> S3Stores::OwnStore() {
  if (!own_) {
    ARROW_ASSIGN_OR_RAISE(const AwsPlace* place, Place());
    ARROW_ASSIGN_OR_RAISE(
        own_, objectstore::S3Store::Make(context_.options, *place, chain_, *context_.stop, *context_.clock));
  }
  return own_;
}

Result<std::shared_ptr<objectstore::ObjectStore>> S3Stores::VendedStore(const std::string& location,
                                                                        const StorageCredential& credential) {
  ARROW_ASSIGN_OR_RAISE(const AwsPlace* own, Place());
  AwsPlace place = *own;
  StoreOptions options = context_.options;
  ApplyConfig(credential.config, &place, &options);
  const bool has_keys = !ValueOf(credential.config, "s3.access-key-id").empty();
  if (has_keys) options.anonymous = false;
  const std::string name = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", credential.prefix, place.endpoint, place.region,
                                       static_cast<int>(options.addressing), static_cast<int>(options.encryption),
                                       options.kms_key, has_keys);
  auto& store = vended_[name];
  if (!store) {
    std::shared_ptr<AwsCredentialSource> keys = chain_;
    if (has_keys) keys = std::make_shared<VendedKeys>(*context_.credentials, location, *context_.clock);
    ARROW_ASSIGN_OR_RAISE(store,
                          objectstore::S3Store::Make(options, place, std::move(keys), *context_.stop, *context_.clock));
  }
  return store;
}

}  // namespace calve::storage
