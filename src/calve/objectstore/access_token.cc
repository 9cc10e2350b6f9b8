#include "calve/objectstore/access_token.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace calve::objectstore {
namespace {

constexpr int64_t kRenewBeforeMs = 2 * 60 * 1000;

}  // namespace

Result<AccessToken> TokenSource::Load() const {
  std::string looked_at;
  for (const TokenPlace& place : places_) {
    std::string why;
    ARROW_ASSIGN_OR_RAISE(auto token, place(&why));
    if (token) return *token;
    looked_at += (looked_at.empty() ? "" : "; ") + why;
  }
  return MakeError(ErrorKind::kConfig, "there are no credentials for the store: " + looked_at, remedy_);
}

Result<std::string> TokenSource::Get() {
  std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.Now() / 1000;
  const auto is_due = [&](int64_t before_ms) {
    return cached_->expires_at_ms != 0 && now_ms + before_ms >= cached_->expires_at_ms;
  };
  if (cached_ && !is_due(kRenewBeforeMs)) return cached_->token;
  auto loaded = Load();
  if (loaded.ok()) {
    cached_ = *loaded;
  } else if (!cached_ || is_due(0)) {
    return loaded.status();
  }
  return cached_->token;
}

Result<bool> TokenSource::Renew(const std::string& refused) {
  std::lock_guard lock(mutex_);
  if (cached_ && cached_->token != refused) return true;  // another thread did it
  ARROW_ASSIGN_OR_RAISE(cached_, Load());
  return cached_->token != refused;
}

Status BearerAuthorizer::Authorize(const StoreRequest&, std::vector<std::string>* headers) {
  if (!source_) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(token_, source_->Get());
  headers->push_back("Authorization: Bearer " + token_);
  return Status::OK();
}

Result<bool> BearerAuthorizer::Renew(const StoreRequest&) { return source_ ? source_->Renew(token_) : false; }

Result<AccessToken> TokenFromJson(const std::string& text, const std::string& service, TimestampMicros now) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto token = json.is_object() ? json.find("access_token") : json.end();
  if (!json.is_object() || token == json.end() || !token->is_string()) {
    return MakeError(ErrorKind::kFailed, service + " answered without a token");
  }
  int64_t seconds = 0;
  if (const auto expires = json.find("expires_in"); expires != json.end()) {
    if (expires->is_number_integer()) seconds = expires->get<int64_t>();
    if (expires->is_string()) {  // Azure's instances say it so
      const std::string& digits = expires->get_ref<const std::string&>();
      std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    }
  }
  return AccessToken{token->get<std::string>(), seconds > 0 ? now / 1000 + seconds * 1000 : 0};
}

}  // namespace calve::objectstore
