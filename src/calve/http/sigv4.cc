#include "calve/http/sigv4.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "calve/base/text.h"

namespace calve::http {
namespace {

// Without spaces at its ends, and with one for each run of them inside.
std::string Collapsed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string CanonicalQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    const size_t equals = std::min(one.find('='), one.size());
    parameters.emplace_back(one.substr(0, equals), equals < one.size() ? one.substr(equals + 1) : std::string_view());
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) {
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, value);
  }
  return out;
}

// 20130524T000000Z of 2013-05-24T00:00:00.000000Z
std::string BasicFormat(TimestampMicros now) {
  std::string text = FormatTimestamp(now).substr(0, 19);
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '-' || c == ':'; }), text.end());
  return text + "Z";
}

}  // namespace

std::string Sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string Sha256Hex(std::string_view bytes) { return HexOf(Sha256(bytes)); }

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
       bytes.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string HexOf(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) out += {kHex[c >> 4], kHex[c & 15]};
  return out;
}

std::string HostOf(std::string_view origin) {
  const bool tls = origin.starts_with("https://");
  const size_t scheme_end = origin.find("://");
  std::string_view host = scheme_end == std::string_view::npos ? origin : origin.substr(scheme_end + 3);
  host = host.substr(0, host.find('/'));
  const std::string_view own_port = tls ? ":443" : ":80";
  if (host.ends_with(own_port)) host.remove_suffix(own_port.size());
  return std::string(host);
}

std::vector<std::string> SigV4Headers(const SigV4Request& request, const AwsKeys& keys, std::string_view region,
                                      std::string_view service, TimestampMicros now) {
  const std::string time = BasicFormat(now);
  const std::string day = time.substr(0, 8);
  std::vector<std::string> added = {"X-Amz-Date: " + time,
                                    fmt::format("X-Amz-Content-Sha256: {}", request.payload_sha256)};
  if (!keys.session_token.empty()) added.push_back("X-Amz-Security-Token: " + keys.session_token);

  std::map<std::string, std::string> headers = {{"host", HostOf(request.origin)}};
  for (const auto* list : {&request.headers, static_cast<const std::vector<std::string>*>(&added)}) {
    for (const std::string& header : *list) {
      const size_t colon = std::min(header.find(':'), header.size() - 1);
      headers[Lower(std::string_view(header).substr(0, colon))] = Collapsed(std::string_view(header).substr(colon + 1));
    }
  }
  std::string canonical_headers, signed_headers;
  for (const auto& [name, value] : headers) {
    canonical_headers += fmt::format("{}:{}\n", name, value);
    signed_headers += (signed_headers.empty() ? "" : ";") + name;
  }
  const size_t question = std::min(request.target.find('?'), request.target.size());
  const std::string_view query = request.target.substr(std::min(question + 1, request.target.size()));
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.target.substr(0, question), CanonicalQuery(query),
                  canonical_headers, signed_headers, request.payload_sha256);

  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region, service);
  const std::string text = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, Sha256Hex(canonical));
  std::string key = HmacSha256("AWS4" + keys.secret_access_key, day);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) key = HmacSha256(key, part);
  added.push_back(fmt::format("Authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                              keys.access_key_id, scope, signed_headers, HexOf(HmacSha256(key, text))));
  return added;
}

}  // namespace calve::http
