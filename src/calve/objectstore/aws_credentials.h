// Who calve is to AWS and its like: the chain of places where keys are looked for.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/http/sigv4.h"
#include "calve/objectstore/environment.h"
#include "calve/objectstore/store_options.h"

namespace calve::objectstore {

struct AwsCredentials {
  http::AwsKeys keys;
  int64_t expires_at_ms = 0;  // since the epoch; 0: never
};

// Where and how requests go, once options, environment and profile have been asked.
struct AwsPlace {
  std::string region;
  std::string endpoint;  // empty: AWS's own
  std::string ca_file;
};
Result<AwsPlace> ResolveAwsPlace(const StoreOptions& options, const Environment& environment);

// Thread-safe: keys that are renewed in time.
class AwsCredentialSource {
 public:
  virtual ~AwsCredentialSource() = default;
  virtual Result<AwsCredentials> Get() = 0;
  // The store said that `refused` has expired. False where there is nothing newer.
  virtual Result<bool> Renew(const http::AwsKeys& refused) = 0;
};

// A place to look at. nullopt: it has none, and `why` says so in a few words.
using AwsKeyPlace = std::function<Result<std::optional<AwsCredentials>>(std::string* why)>;

// In this order, the first that has some: the environment, a web identity (EKS), the profile (keys, an assumed role, a
// web identity), the container (ECS, EKS), the instance (EC2, by IMDSv2). A profile that the options name is the only
// place. `stop` and `clock` must outlive it.
class AwsCredentialChain : public AwsCredentialSource {
 public:
  AwsCredentialChain(const StoreOptions& options, const AwsPlace& place, Environment environment, const StopToken& stop,
                     const Clock& clock);
  AwsCredentialChain(std::vector<AwsKeyPlace> places, const Clock& clock);

  // kConfig where no place has any: lists them.
  Result<AwsCredentials> Get() override;
  Result<bool> Renew(const http::AwsKeys& refused) override;

 private:
  Result<AwsCredentials> Load() const;
  bool IsDue(const AwsCredentials& credentials, int64_t before_ms) const;

  const std::vector<AwsKeyPlace> places_;
  const Clock& clock_;

  std::mutex mutex_;                      // held while keys are fetched: all others wait for them
  std::optional<AwsCredentials> cached_;  // protected by mutex_
  int64_t next_load_ms_ = 0;              // protected by mutex_; the places are not asked all the time
};

}  // namespace calve::objectstore
