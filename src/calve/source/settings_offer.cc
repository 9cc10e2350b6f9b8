#include "calve/source/settings_offer.h"

#include <algorithm>
#include <cctype>

#include "calve/source/introspection.h"

namespace calve::source {
namespace {

constexpr int kUnknownSetting = 115, kReadonly = 164, kConstraintViolation = 452;
constexpr std::string_view kProtocol = "client_protocol_version";

// The first of `names` that stands in `text` as a word of its own; empty where none does.
std::string_view FirstNamed(std::string_view text, const std::vector<std::string_view>& names) {
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t i = 0; i < text.size();) {
    if (!is_word(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_word(text[end])) ++end;
    const auto found = std::find(names.begin(), names.end(), text.substr(i, end - i));
    if (found != names.end()) return *found;
    i = end;
  }
  return {};
}

}  // namespace

SettingsOffer::SettingsOffer(uint64_t revision) {
  // First, so that an old server stumbles over this one and not over one after another.
  settings_.push_back({std::string(kProtocol), std::to_string(revision), false});
  settings_.push_back({"cancel_http_readonly_queries_on_client_close", "1", false});
  settings_.push_back({std::string(kComment), "", false});
  settings_.push_back({"limit", "0", true});
  settings_.push_back({"offset", "0", true});
  for (const char* what : {"result", "read", "timeout", "group_by", "sort", "distinct", "set", "join", "transfer"}) {
    settings_.push_back({std::string(what) + "_overflow_mode", "throw", true});
  }
  // Of Distributed tables: a shard that is down is an error, counts are of all shards, and where every replica of one
  // lags too far behind (max_replica_delay_for_distributed_queries) that is an error as well, if it may be asked for.
  settings_.push_back({"skip_unavailable_shards", "0", true});
  settings_.push_back({"distributed_group_by_no_merge", "0", true});
  settings_.push_back({"fallback_to_stale_replicas_for_distributed_queries", "0", false});
}

Status SettingsOffer::CheckCallers(const std::map<std::string, std::string>& settings) const {
  for (const auto& ours : settings_) {
    const auto found = settings.find(ours.name);
    if (found == settings.end() || found->second == ours.value || !ours.keeps_whole) continue;
    return MakeError(
        ErrorKind::kConfig,
        "the source's setting " + ours.name + " = " + found->second + " would leave rows out without an error",
        "take it out");
  }
  return Status::OK();
}

std::vector<std::pair<std::string, std::string>> SettingsOffer::offered() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& setting : settings_) out.emplace_back(setting.name, setting.value);
  return out;
}

bool SettingsOffer::Refused(int code, std::string_view text) {
  if (code != kUnknownSetting && code != kReadonly && code != kConstraintViolation) return false;
  std::vector<std::string_view> names;
  for (const auto& setting : settings_) names.push_back(setting.name);
  const std::string name(FirstNamed(text, names));
  if (name.empty()) return false;
  if (code == kUnknownSetting && name == kProtocol) is_old_server_ = true;
  // An old server has no name in its refusal to a read-only user that could be relied on, and refuses every one: all at
  // once.
  const bool all = code != kUnknownSetting && is_old_server_;
  std::vector<Setting> kept;
  for (auto& setting : settings_) {
    const bool is_new = setting.name == kProtocol || setting.name == kComment || setting.name == "limit" ||
                        setting.name == "offset" || setting.name == "cancel_http_readonly_queries_on_client_close";
    if (setting.name != name && !all && !(is_old_server_ && is_new)) {
      kept.push_back(std::move(setting));
    } else if (code != kUnknownSetting && setting.keeps_whole) {
      unproven_.push_back(std::move(setting));
    }
  }
  settings_ = std::move(kept);
  return true;
}

std::string SettingsOffer::profile_query() const {
  if (unproven_.empty()) return "";
  std::string names;
  for (const auto& setting : unproven_) names += (names.empty() ? "" : ", ") + QuoteString(setting.name);
  return "SELECT name, value FROM system.settings WHERE name IN (" + names + ")";
}

Status SettingsOffer::CheckProfile(const std::vector<std::pair<std::string, std::string>>& rows,
                                   std::string_view user) {
  for (const auto& [name, value] : rows) {
    for (const auto& setting : unproven_) {
      if (setting.name != name || setting.value == value) continue;
      return MakeError(
          ErrorKind::kConfig,
          "user '" + std::string(user) + "' reads with " + name + " = " + value +
              " and may not change it: ClickHouse would leave rows out without an error",
          "set " + name + " = " + setting.value + " in the user's profile, or let the user change it (readonly = 2)");
    }
  }
  unproven_.clear();
  return Status::OK();
}

}  // namespace calve::source
