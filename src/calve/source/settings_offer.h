// What calve asks of a server beside the query itself, and how it comes to terms with one that refuses.
//
// A comment for query_log goes with it as well. Some settings of a user's profile make ClickHouse leave rows out
// without an error (result_overflow_mode = 'break', limit = 10). They are set to what keeps results whole. A server
// that does not know a setting cannot have it set either; one that forbids the change has to show that its value is
// harmless.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calve/base/error.h"

namespace calve::source {

// A value: one per source, guarded by its owner.
class SettingsOffer {
 public:
  // The setting that is another one for each query: offered() has it without a value.
  static constexpr std::string_view kComment = "log_comment";

  explicit SettingsOffer(uint64_t revision);

  // kConfig where the caller's own settings would leave rows out.
  Status CheckCallers(const std::map<std::string, std::string>& settings) const;

  // In the order in which they belong into the request.
  std::vector<std::pair<std::string, std::string>> offered() const;
  // The server is older than client_protocol_version and all that came after.
  bool is_old_server() const { return is_old_server_; }

  // Draws the consequence of an exception. False where it is about none of ours: the caller's own setting, or something
  // else. True: ask again without what was refused.
  bool Refused(int code, std::string_view text);

  // Not empty after a refusal of what keeps results whole: this query's rows, name and value, go to CheckProfile.
  std::string profile_query() const;
  // kConfig naming the first setting that may lose rows.
  Status CheckProfile(const std::vector<std::pair<std::string, std::string>>& rows, std::string_view user);

 private:
  struct Setting {
    std::string name, value;
    bool keeps_whole;  // rows may be missing without it
  };

  std::vector<Setting> settings_;
  std::vector<Setting> unproven_;  // refused, and to be looked at in the profile
  bool is_old_server_ = false;
};

}  // namespace calve::source
