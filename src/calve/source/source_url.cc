#include "calve/source/source_url.h"

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string_view>

#include "calve/http/http_url.h"

namespace calve::source {
namespace {

constexpr std::string_view kExamples =
    "use http://user@host:8123/database, https://user@host:8443/database or chdb:DIR";
constexpr std::string_view kPasswordRemedy =
    "take the password out of the URL and set CALVE_SOURCE_PASSWORD, or password_file in the config";

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, UrlCleanup>;

std::optional<std::string> Part(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return std::nullopt;
  std::string value(text);
  curl_free(text);
  return value;
}

std::string Decoded(std::string_view text) {
  if (text.empty()) return "";  // to libcurl, a length of 0 means: up to the NUL
  int length = 0;
  char* plain = curl_easy_unescape(nullptr, text.data(), static_cast<int>(text.size()), &length);
  if (plain == nullptr) return std::string(text);
  std::string value(plain, length);
  curl_free(plain);
  return value;
}

Status ReadParameters(std::string_view query, SourceUrl* out) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string key = Decoded(pair.substr(0, equals));
    const std::string value = equals == std::string_view::npos ? "" : Decoded(pair.substr(equals + 1));
    if (key == "password") {
      return MakeError(ErrorKind::kConfig, "the source URL holds a password; secrets never stand on the command line",
                       std::string(kPasswordRemedy));
    }
    if (key == "database") {
      out->database = value;
    } else if (key == "user" && out->scheme != SourceScheme::kChdb) {
      out->user = value;
    } else if (key.empty()) {
      return MakeError(ErrorKind::kConfig, "the source URL has a parameter without a name", std::string(kExamples));
    } else {
      out->settings[key] = value;
    }
  }
  return Status::OK();
}

Result<SourceUrl> ParseChdb(std::string_view rest) {
  SourceUrl out;
  out.scheme = SourceScheme::kChdb;
  out.database = "default";
  if (rest.starts_with("//")) rest.remove_prefix(2);  // chdb:///srv/hot is chdb:/srv/hot
  const size_t mark = rest.find('?');
  out.directory = std::string(rest.substr(0, mark));
  if (mark != std::string_view::npos) ARROW_RETURN_NOT_OK(ReadParameters(rest.substr(mark + 1), &out));
  if (out.directory.empty()) {
    return MakeError(ErrorKind::kConfig, "the source URL 'chdb:' names no directory", std::string(kExamples));
  }
  if (out.database.empty()) out.database = "default";
  return out;
}

Status ReadPath(std::string path, SourceUrl* out) {
  if (path.starts_with('/')) path.erase(0, 1);
  if (path.ends_with('/')) path.pop_back();
  if (path.find('/') != std::string::npos) {
    return MakeError(ErrorKind::kConfig, "the source URL's path '/" + path + "' is more than a database name",
                     std::string(kExamples));
  }
  out->database = path.empty() ? "default" : Decoded(path);
  return Status::OK();
}

Result<SourceUrl> ParseHttp(const std::string& url) {
  UrlHandle handle(curl_url());
  if (!handle) return Status::OutOfMemory("curl_url");
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK) {
    return MakeError(ErrorKind::kConfig, std::string("the source URL does not parse: ") + curl_url_strerror(code),
                     std::string(kExamples));
  }
  SourceUrl out;
  out.scheme =
      Part(handle.get(), CURLUPART_SCHEME, 0).value_or("") == "https" ? SourceScheme::kHttps : SourceScheme::kHttp;
  if (Part(handle.get(), CURLUPART_PASSWORD, 0)) {
    return MakeError(ErrorKind::kConfig, "the source URL holds a password; secrets never stand on the command line",
                     std::string(kPasswordRemedy));
  }
  out.user = Part(handle.get(), CURLUPART_USER, CURLU_URLDECODE).value_or("default");
  out.host = Part(handle.get(), CURLUPART_HOST, CURLU_URLDECODE).value_or("");
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty()) return MakeError(ErrorKind::kConfig, "the source URL names no host", std::string(kExamples));
  const std::string port = Part(handle.get(), CURLUPART_PORT, 0).value_or("");
  out.port = !port.empty() ? std::stoi(port) : out.scheme == SourceScheme::kHttps ? 8443 : 8123;
  ARROW_RETURN_NOT_OK(ReadPath(Part(handle.get(), CURLUPART_PATH, 0).value_or(""), &out));
  ARROW_RETURN_NOT_OK(ReadParameters(Part(handle.get(), CURLUPART_QUERY, 0).value_or(""), &out));
  if (out.user.empty()) out.user = "default";
  if (out.database.empty()) out.database = "default";
  return out;
}

}  // namespace

std::string SourceUrl::Origin() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return std::string(scheme == SourceScheme::kHttps ? "https://" : "http://") + (ipv6 ? "[" + host + "]" : host) + ":" +
         std::to_string(port);
}

bool SourceUrl::IsLoopback() const { return host == "localhost" || host == "::1" || host.starts_with("127."); }

Result<SourceUrl> ParseSourceUrl(const std::string& url) {
  if (url.empty()) return MakeError(ErrorKind::kConfig, "no source is given", std::string(kExamples));
  if (url.starts_with("chdb:")) return ParseChdb(std::string_view(url).substr(5));
  if (http::IsHttpUrl(url)) return ParseHttp(url);
  const size_t colon = url.find(':');
  const std::string scheme = colon == std::string::npos ? "" : url.substr(0, colon);
  if (scheme == "clickhouse" || scheme == "tcp" || scheme == "jdbc") {
    return MakeError(ErrorKind::kConfig, "calve speaks ClickHouse's HTTP interface, not '" + scheme + ":'",
                     std::string(kExamples) + " (HTTP is port 8123 by default, the native protocol 9000)");
  }
  return MakeError(ErrorKind::kConfig, "the source URL has no scheme that calve knows", std::string(kExamples));
}

}  // namespace calve::source
