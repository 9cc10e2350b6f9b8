#include "calve/http/http_url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace calve::http {
namespace {

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// Empty where there is none.
std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return "";
  std::string value(text);
  curl_free(text);
  return value;
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

}  // namespace

Result<HttpUrl> ParseHttpUrl(const std::string& url, std::string_view what, std::string_view secret_remedy) {
  auto bad = [&](std::string_view why) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} {}", what, why), "Write it as https://host:port/path.");
  };
  if (!IsHttpUrl(url)) return bad("is neither http:// nor https://");
  std::unique_ptr<CURLU, UrlCleanup> handle(curl_url());
  if (!handle) return Status::OutOfMemory("curl_url");
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK) return bad(fmt::format("does not parse: {}", curl_url_strerror(code)));
  if (!Part(handle.get(), CURLUPART_USER).empty() || !Part(handle.get(), CURLUPART_PASSWORD).empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} holds a user or a password", what),
                     std::string(secret_remedy));
  }
  if (!Part(handle.get(), CURLUPART_QUERY).empty() || !Part(handle.get(), CURLUPART_FRAGMENT).empty()) {
    return bad("has something behind its path");
  }
  const std::string host = Part(handle.get(), CURLUPART_HOST);
  if (host.empty()) return bad("names no host");
  HttpUrl out;
  out.origin = fmt::format("{}://{}:{}", Part(handle.get(), CURLUPART_SCHEME), host,
                           Part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
  out.is_loopback = IsLoopback(host);
  out.path = Part(handle.get(), CURLUPART_PATH);
  while (out.path.ends_with('/')) out.path.pop_back();
  return out;
}

}  // namespace calve::http
