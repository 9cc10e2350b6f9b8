#include "calve/config/url_password.h"

#include <algorithm>

namespace calve::config {
namespace {

// The same text with everything inside of ${…} made harmless, so that places stay what they are.
std::string WithoutExpansions(std::string_view url) {
  std::string plain(url);
  size_t at = 0;
  while ((at = plain.find("${", at)) != std::string::npos) {
    const size_t end = std::min(plain.find('}', at), plain.size() - 1);
    std::fill(plain.begin() + static_cast<ptrdiff_t>(at), plain.begin() + static_cast<ptrdiff_t>(end) + 1, 'x');
  }
  return plain;
}

// [begin, end) of what stands between "//" and the path; empty where there is none.
struct Authority {
  size_t begin = 0, end = 0;
};
Authority AuthorityOf(std::string_view plain) {
  const size_t slashes = plain.find("://");
  if (slashes == std::string_view::npos) return {};
  const size_t begin = slashes + 3;
  return {begin, std::min(plain.find_first_of("/?#", begin), plain.size())};
}

}  // namespace

std::optional<PasswordPlace> FindPassword(std::string_view url) {
  const std::string plain = WithoutExpansions(url);
  const Authority authority = AuthorityOf(plain);
  const std::string_view inside = std::string_view(plain).substr(authority.begin, authority.end - authority.begin);
  const size_t at = inside.rfind('@');
  const size_t colon = inside.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return std::nullopt;
  return PasswordPlace{authority.begin + colon + 1, at - colon - 1};
}

std::string WithoutPassword(std::string_view url, const PasswordPlace& place) {
  return std::string(url.substr(0, place.begin - 1)) + std::string(url.substr(place.begin + place.size));
}

bool HasPasswordParameter(std::string_view url) {
  const size_t mark = url.find('?');
  return mark != std::string_view::npos && url.substr(mark).find("password=") != std::string_view::npos;
}

bool HasStrayAt(std::string_view url) {
  const std::string plain = WithoutExpansions(url);
  const Authority authority = AuthorityOf(plain);
  if (authority.end == 0) return false;
  const std::string_view inside = std::string_view(plain).substr(authority.begin, authority.end - authority.begin);
  return std::ranges::count(inside, '@') > 1 || plain.find('@', authority.end) != std::string::npos;
}

}  // namespace calve::config
