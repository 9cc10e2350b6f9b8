#include "calve/objectstore/aws_credentials.h"

#include <fmt/format.h>

#include "calve/http/http_url.h"
#include "calve/objectstore/aws_key_places.h"
#include "calve/objectstore/aws_profile.h"

namespace calve::objectstore {
namespace {

// Keys are renewed so long before they end; where that fails they are used as long as they last.
constexpr int64_t kKeysRenewBeforeMs = 5 * 60 * 1000;
constexpr int64_t kLoadEveryMs = 20 * 1000;
constexpr int kRolesMax = 5;  // that name each other as their source

std::string First(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

std::string ValueOf(const AwsProfile& profile, const char* key) {
  const auto found = profile.find(key);
  return found == profile.end() ? "" : found->second;
}

AwsProfile ProfileOf(const AwsFiles& files, const std::string& name) {
  const auto found = files.profiles.find(name);
  return found == files.profiles.end() ? AwsProfile() : found->second;
}

AssumedRole RoleOf(const AwsProfile& profile) {
  return {ValueOf(profile, "role_arn"), ValueOf(profile, "role_session_name"), ValueOf(profile, "external_id")};
}

// What the places share.
struct Surroundings {
  StoreOptions options;
  AwsPlace place;
  Environment environment;
  const StopToken& stop;
  const Clock& clock;

  Result<std::optional<AwsCredentials>> FromEnvironment(std::string* why) const {
    AwsCredentials credentials;
    credentials.keys = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                        environment("AWS_SESSION_TOKEN")};
    if (!credentials.keys.access_key_id.empty() && !credentials.keys.secret_access_key.empty()) return credentials;
    *why = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set";
    return std::nullopt;
  }

  Result<std::optional<AwsCredentials>> FromWebIdentity(std::string* why) const {
    const std::string file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
    const AssumedRole role{environment("AWS_ROLE_ARN"), environment("AWS_ROLE_SESSION_NAME"), ""};
    if (!file.empty() && !role.arn.empty()) return KeysOfWebIdentity(StsOf(place, environment), role, file, stop);
    *why = "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set";
    return std::nullopt;
  }

  Result<std::optional<AwsCredentials>> FromProfile(std::string* why) const {
    ARROW_ASSIGN_OR_RAISE(const AwsFiles files, ReadAwsFiles(environment));
    return FromProfileNamed(files, AwsProfileName(options.profile, environment), 0, why);
  }

  Result<std::optional<AwsCredentials>> FromProfileNamed(const AwsFiles& files, const std::string& name, int depth,
                                                         std::string* why) const {
    const AwsProfile profile = ProfileOf(files, name);
    const AssumedRole role = RoleOf(profile);
    const std::string source = ValueOf(profile, "source_profile");
    if (!role.arn.empty() && source != name) {
      if (const std::string file = ValueOf(profile, "web_identity_token_file"); !file.empty()) {
        return KeysOfWebIdentity(StsOf(place, environment), role, file, stop);
      }
      if (!source.empty() && depth < kRolesMax) {
        ARROW_ASSIGN_OR_RAISE(const auto keys, FromProfileNamed(files, source, depth + 1, why));
        if (!keys) return std::nullopt;
        return KeysOfRole(StsOf(place, environment), role, keys->keys, stop, clock);
      }
    }
    AwsCredentials credentials;
    credentials.keys = {ValueOf(profile, "aws_access_key_id"), ValueOf(profile, "aws_secret_access_key"),
                        ValueOf(profile, "aws_session_token")};
    if (!credentials.keys.access_key_id.empty() && !credentials.keys.secret_access_key.empty()) return credentials;
    *why = fmt::format("no keys for profile '{}' in {} and {}", name, files.credentials_file, files.config_file);
    for (const char* key : {"credential_process", "sso_session", "sso_start_url", "credential_source"}) {
      if (!profile.contains(key)) continue;
      *why = fmt::format("profile '{}' uses {}, which calve does not know (`aws configure export-credentials` does)",
                         name, key);
    }
    return std::nullopt;
  }
};

std::vector<AwsKeyPlace> PlacesOf(const StoreOptions& options, const AwsPlace& place, Environment environment,
                                  const StopToken& stop, const Clock& clock) {
  auto around = std::make_shared<Surroundings>(Surroundings{options, place, std::move(environment), stop, clock});
  AwsKeyPlace profile = [around](std::string* why) { return around->FromProfile(why); };
  if (!options.profile.empty()) return {profile};
  return {[around](std::string* why) { return around->FromEnvironment(why); },
          [around](std::string* why) { return around->FromWebIdentity(why); }, profile,
          [around](std::string* why) {
            *why = "no container service is named";
            return KeysOfContainer(around->environment, around->stop);
          },
          [around](std::string* why) { return KeysOfInstance(around->environment, around->stop, why); }};
}

}  // namespace

Result<AwsPlace> ResolveAwsPlace(const StoreOptions& options, const Environment& environment) {
  ARROW_ASSIGN_OR_RAISE(const AwsFiles files, ReadAwsFiles(environment));
  const std::string name = AwsProfileName(options.profile, environment);
  const AwsProfile profile = ProfileOf(files, name);
  AwsPlace place;
  place.region = First({options.region, environment("AWS_REGION"), environment("AWS_DEFAULT_REGION"),
                        ValueOf(profile, "region"), "us-east-1"});
  place.endpoint = First({options.endpoint, environment("AWS_ENDPOINT_URL_S3"), environment("AWS_ENDPOINT_URL"),
                          ValueOf(profile, "endpoint_url")});
  while (place.endpoint.ends_with('/')) place.endpoint.pop_back();
  place.ca_file = First({options.ca_file, environment("AWS_CA_BUNDLE"), ValueOf(profile, "ca_bundle")});
  if (!place.endpoint.empty() && !http::IsHttpUrl(place.endpoint)) {
    return MakeError(ErrorKind::kConfig, fmt::format("the store's end point '{}' is no URL", place.endpoint),
                     "Write it as https://host or http://host:port.");
  }
  return place;
}

AwsCredentialChain::AwsCredentialChain(const StoreOptions& options, const AwsPlace& place, Environment environment,
                                       const StopToken& stop, const Clock& clock)
    : AwsCredentialChain(PlacesOf(options, place, std::move(environment), stop, clock), clock) {}

AwsCredentialChain::AwsCredentialChain(std::vector<AwsKeyPlace> places, const Clock& clock)
    : places_(std::move(places)), clock_(clock) {}

bool AwsCredentialChain::IsDue(const AwsCredentials& credentials, int64_t before_ms) const {
  return credentials.expires_at_ms != 0 && clock_.Now() / 1000 + before_ms >= credentials.expires_at_ms;
}

Result<AwsCredentials> AwsCredentialChain::Load() const {
  std::string looked_at;
  for (const AwsKeyPlace& place : places_) {
    std::string why;
    ARROW_ASSIGN_OR_RAISE(auto credentials, place(&why));
    if (credentials) return *credentials;
    looked_at += (looked_at.empty() ? "" : "; ") + why;
  }
  return MakeError(
      ErrorKind::kConfig, "there are no credentials for the store: " + looked_at,
      "Give it keys, a profile (--store-profile) or a role; a public bucket is read with --store-anonymous.");
}

Result<AwsCredentials> AwsCredentialChain::Get() {
  std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.Now() / 1000;
  if (cached_ && !IsDue(*cached_, kKeysRenewBeforeMs)) return *cached_;
  if (cached_ && !IsDue(*cached_, 0) && now_ms < next_load_ms_) return *cached_;
  next_load_ms_ = now_ms + kLoadEveryMs;
  auto loaded = Load();
  if (loaded.ok()) {
    cached_ = *loaded;
  } else if (!cached_ || IsDue(*cached_, 0)) {
    return loaded;
  }
  return *cached_;
}

Result<bool> AwsCredentialChain::Renew(const http::AwsKeys& refused) {
  std::lock_guard lock(mutex_);
  auto differs = [&] {
    return cached_->keys.access_key_id != refused.access_key_id || cached_->keys.session_token != refused.session_token;
  };
  if (cached_ && differs()) return true;  // another thread did it
  ARROW_ASSIGN_OR_RAISE(cached_, Load());
  return differs();
}

}  // namespace calve::objectstore
