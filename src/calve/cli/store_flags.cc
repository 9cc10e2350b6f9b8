#include "calve/cli/store_flags.h"

#include <fmt/format.h>

#include "calve/base/time.h"

namespace calve::cli {
namespace {

constexpr const char* kGroup = "Object store (docs/stores.md)";
constexpr int64_t kPartBytesMin = 5 << 20;  // what S3 takes

}  // namespace

void AddStoreFlags(CLI::App& command, StoreFlags& flags) {
  auto add = [&](const char* name, auto& value, const char* variable, const char* meaning) {
    return command.add_option(name, value, meaning)->envname(variable)->group(kGroup);
  };
  add("--store-endpoint", flags.endpoint, "CALVE_STORE_ENDPOINT",
      "where the store is, if not at the cloud's own place: https://minio.example:9000");
  add("--store-region", flags.region, "CALVE_STORE_REGION",
      "its region (default: AWS_REGION, the profile's, us-east-1)");
  add("--store-addressing", flags.addressing, "CALVE_STORE_ADDRESSING",
      "path: https://host/bucket/key, virtual: https://bucket.host/key; auto: path where there is an end point")
      ->check(CLI::IsMember({"auto", "path", "virtual"}))
      ->capture_default_str();
  add("--store-ca-file", flags.ca_file, "CALVE_STORE_CA_FILE",
      "PEM file of the authority that signed the store's certificate");
  add("--store-profile", flags.profile, "CALVE_STORE_PROFILE",
      "the profile of ~/.aws to use, and no other credentials");
  command.add_flag("--store-anonymous", flags.anonymous, "do not sign requests: public buckets")
      ->envname("CALVE_STORE_ANONYMOUS")
      ->group(kGroup);
  command.add_flag("--store-requester-pays", flags.requester_pays, "agree to pay for requests")
      ->envname("CALVE_STORE_REQUESTER_PAYS")
      ->group(kGroup);
  add("--store-encryption", flags.encryption, "CALVE_STORE_ENCRYPTION",
      "of new objects, by the store: none, s3, kms, customer")
      ->check(CLI::IsMember({"none", "s3", "kms", "customer"}))
      ->capture_default_str();
  add("--store-kms-key", flags.kms_key, "CALVE_STORE_KMS_KEY", "id or ARN of the key of kms (default: the account's)");
  add("--store-customer-key-file", flags.customer_key_file, "CALVE_STORE_CUSTOMER_KEY_FILE",
      "file with the key of customer: 32 bytes or their base64");
  add("--store-connect-timeout", flags.connect_timeout, "CALVE_STORE_CONNECT_TIMEOUT",
      "wait for a connection at most so long")
      ->capture_default_str();
  add("--store-idle-timeout", flags.idle_timeout, "CALVE_STORE_IDLE_TIMEOUT",
      "give a try up after so long without a byte")
      ->capture_default_str();
  add("--store-attempts", flags.attempts, "CALVE_STORE_ATTEMPTS", "try a request at most so often")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  add("--store-part-size", flags.part_size, "CALVE_STORE_PART_SIZE", "larger files go up in parts of this size")
      ->capture_default_str();
  add("--store-uploads", flags.uploads, "CALVE_STORE_UPLOADS", "so many parts are on their way at once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
}

Result<objectstore::StoreOptions> StoreOptionsOf(const StoreFlags& flags) {
  using objectstore::Addressing;
  using objectstore::ServerSideEncryption;
  objectstore::StoreOptions options;
  options.endpoint = flags.endpoint;
  options.region = flags.region;
  options.addressing = flags.addressing == "path"      ? Addressing::kPath
                       : flags.addressing == "virtual" ? Addressing::kVirtual
                                                       : Addressing::kAuto;
  options.ca_file = flags.ca_file;
  options.profile = flags.profile;
  options.anonymous = flags.anonymous;
  options.requester_pays = flags.requester_pays;
  options.encryption = flags.encryption == "s3"         ? ServerSideEncryption::kS3
                       : flags.encryption == "kms"      ? ServerSideEncryption::kKms
                       : flags.encryption == "customer" ? ServerSideEncryption::kCustomer
                                                        : ServerSideEncryption::kNone;
  options.kms_key = flags.kms_key;
  options.customer_key_file = flags.customer_key_file;
  ARROW_ASSIGN_OR_RAISE(options.connect_timeout_micros, ParseDuration(flags.connect_timeout));
  ARROW_ASSIGN_OR_RAISE(options.idle_timeout_micros, ParseDuration(flags.idle_timeout));
  ARROW_ASSIGN_OR_RAISE(options.part_bytes, ParseBytes(flags.part_size));
  if (options.part_bytes < kPartBytesMin) {
    return MakeError(ErrorKind::kConfig, fmt::format("--store-part-size {} is less than 5 MiB", flags.part_size),
                     "S3 takes no smaller parts.");
  }
  options.attempts_max = flags.attempts;
  options.uploads_max = flags.uploads;
  return options;
}

}  // namespace calve::cli
