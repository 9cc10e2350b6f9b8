// The places of the chain that are asked over HTTP: STS, the container's and the instance's metadata services.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/http/http_client.h"
#include "calve/objectstore/aws_credentials.h"
#include "calve/objectstore/aws_profile.h"

namespace calve::objectstore {

// One small call, tried up to three times where it fails in passing. kRetry where nobody answers.
struct KeyCall {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers = {};
  std::string body = "";
  std::string ca_file = "";
  int64_t connect_timeout_ms = 1000;
  int64_t idle_timeout_ms = 5000;
  std::string service = "";  // for messages: "the instance's metadata service"
};
Result<http::HttpResponse> CallForKeys(const KeyCall& call, const StopToken& stop);

// {"AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …}
Result<AwsCredentials> KeysFromJson(const std::string& text, const std::string& service);

struct StsPlace {
  std::string endpoint;  // AWS_ENDPOINT_URL_STS, else the region's
  std::string region, ca_file;
};
StsPlace StsOf(const AwsPlace& place, const Environment& environment);

struct AssumedRole {
  std::string arn, session_name, external_id;
};
// AssumeRoleWithWebIdentity, with the token that the file holds now.
Result<AwsCredentials> KeysOfWebIdentity(const StsPlace& sts, const AssumedRole& role, const std::string& token_file,
                                         const StopToken& stop);
// AssumeRole, as whoever has `keys`.
Result<AwsCredentials> KeysOfRole(const StsPlace& sts, const AssumedRole& role, const http::AwsKeys& keys,
                                  const StopToken& stop, const Clock& clock);

// nullopt where the environment names no container service.
Result<std::optional<AwsCredentials>> KeysOfContainer(const Environment& environment, const StopToken& stop);
// nullopt where no such service answers, or it is switched off; `why` says which.
Result<std::optional<AwsCredentials>> KeysOfInstance(const Environment& environment, const StopToken& stop,
                                                     std::string* why);

}  // namespace calve::objectstore
