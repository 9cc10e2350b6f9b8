// AWS Signature Version 4 in headers. What is signed is what goes out: nothing is normalised but the query's order, and
// paths are taken as they are encoded (S3's rule; other services want them encoded once more, which is the caller's).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "calve/base/time.h"

namespace calve::http {

struct AwsKeys {
  std::string access_key_id, secret_access_key;
  std::string session_token;  // empty for keys that do not expire
};

// In place of a body's hash, where the body is not signed.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigV4Request {
  std::string_view method;
  std::string_view origin;                  // scheme://host:port
  std::string_view target;                  // path and query, percent-encoded
  const std::vector<std::string>& headers;  // "Name: value", all of which are signed
  std::string_view payload_sha256;          // Sha256Hex of the body, or kUnsignedPayload
};

// The headers to add: X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token where there is one, Authorization.
std::vector<std::string> SigV4Headers(const SigV4Request& request, const AwsKeys& keys, std::string_view region,
                                      std::string_view service, TimestampMicros now);

std::string Sha256(std::string_view bytes);  // 32 bytes
std::string Sha256Hex(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);
std::string HexOf(std::string_view bytes);  // lower case

// "bucket.host:9000" of "https://bucket.host:9000", as the Host header has it: without the scheme's own port.
std::string HostOf(std::string_view origin);

}  // namespace calve::http
