#include "calve/http/http_date.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <ctime>

namespace calve::http {

std::string HttpDate(TimestampMicros at) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<time_t>(at / kMicrosPerSecond);
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                     kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::optional<int64_t> HttpDateMs(const std::string& text) {
  const time_t at = curl_getdate(text.c_str(), nullptr);
  return at < 0 ? std::nullopt : std::optional<int64_t>(static_cast<int64_t>(at) * 1000);
}

}  // namespace calve::http
