// Profiles of ~/.aws/credentials and ~/.aws/config, as the AWS command line writes them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "calve/base/error.h"
#include "calve/objectstore/environment.h"

namespace calve::objectstore {

using AwsProfile = std::map<std::string, std::string>;  // lower-case keys: "aws_access_key_id", "region", "role_arn", …
using AwsProfiles = std::map<std::string, AwsProfile>;

// Adds the sections of one file; what is there already stays. In `config` files names stand behind "profile ". Lines
// that belong to a nested setting are skipped.
void AddAwsProfiles(std::string_view text, bool config, AwsProfiles* profiles);

struct AwsFiles {
  AwsProfiles profiles;
  std::string credentials_file, config_file;  // where they were looked for
};
// Of AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, else below HOME. A file that is not there is empty; kConfig for
// one that cannot be read.
Result<AwsFiles> ReadAwsFiles(const Environment& environment);

// What says it first: the option, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
std::string AwsProfileName(const std::string& option, const Environment& environment);

}  // namespace calve::objectstore
