// What may be said about object stores: all of it optional, for the stores' own conventions (AWS_* variables, profiles,
// the machine's identity) say it already.
#pragma once

#include <cstdint>
#include <string>

namespace calve::storage {

enum class Addressing {
  kAuto,     // path style at an endpoint of one's own and for buckets with dots, else the bucket as a host's name
  kPath,     // https://host/bucket/key
  kVirtual,  // https://bucket.host/key
};

enum class ServerSideEncryption {
  kNone,     // what the bucket does by default
  kS3,       // AES256, keys of the store's
  kKms,      // aws:kms, with `kms_key` or the account's default key
  kCustomer  // SSE-C: the key comes with each request
};

struct StoreOptions {
  std::string endpoint;  // http(s)://host:port; empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, AWS itself
  std::string region;    // empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1; a store that says it is
                         // elsewhere is believed
  Addressing addressing = Addressing::kAuto;
  std::string ca_file;     // PEM; empty: AWS_CA_BUNDLE, the system's
  std::string profile;     // empty: AWS_PROFILE, default
  bool anonymous = false;  // requests are not signed
  bool requester_pays = false;
  ServerSideEncryption encryption = ServerSideEncryption::kNone;
  std::string kms_key;            // id or ARN
  std::string customer_key_file;  // of 32 bytes, or of their base64
  int64_t connect_timeout_ms = 10'000;
  int64_t idle_timeout_ms = 60'000;  // without a byte, in one try
  int64_t attempts_max = 8;          // of one request
  int64_t part_bytes = 8 << 20;      // of a multipart upload
  int64_t uploads_max = 4;           // parts on their way at once, of all files together
  friend bool operator==(const StoreOptions&, const StoreOptions&) = default;
};

}  // namespace calve::storage
