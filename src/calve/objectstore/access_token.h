// Tokens that stand for a password for an hour or so: what Google's and Azure's stores are asked with.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/objectstore/store_client.h"

namespace calve::objectstore {

struct AccessToken {
  std::string token;
  int64_t expires_at_ms = 0;  // since the epoch; 0: not known
};

// A place to look at. nullopt: it has none, and `why` says so in a few words.
using TokenPlace = std::function<Result<std::optional<AccessToken>>(std::string* why)>;

// Thread-safe: the first place that has one, renewed in time.
class TokenSource {
 public:
  // `remedy`: what to do where no place has any. `clock` must outlive it.
  TokenSource(std::vector<TokenPlace> places, std::string remedy, const Clock& clock)
      : places_(std::move(places)), remedy_(std::move(remedy)), clock_(clock) {}

  Result<std::string> Get();
  // The store said that `refused` has expired. False where there is nothing newer.
  Result<bool> Renew(const std::string& refused);

 private:
  Result<AccessToken> Load() const;

  const std::vector<TokenPlace> places_;
  const std::string remedy_;
  const Clock& clock_;

  std::mutex mutex_;                   // held while a token is fetched: all others wait for it
  std::optional<AccessToken> cached_;  // protected by mutex_
};

// "Authorization: Bearer …"; nothing without a source.
class BearerAuthorizer : public Authorizer {
 public:
  explicit BearerAuthorizer(TokenSource* source) : source_(source) {}
  Status Authorize(const StoreRequest& request, std::vector<std::string>* headers) override;
  Result<bool> Renew(const StoreRequest& request) override;

 private:
  TokenSource* const source_;
  std::string token_;
};

// {"access_token": …, "expires_in": 3600}, as OAuth 2 has it. `now` is when it was asked for.
Result<AccessToken> TokenFromJson(const std::string& text, const std::string& service, TimestampMicros now);

}  // namespace calve::objectstore
