#include "calve/objectstore/aws_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "calve/base/text.h"

namespace calve::objectstore {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The profile's name in "[profile name]"; empty for sections of other kinds (sso-session, services).
std::string SectionName(std::string_view line, bool config) {
  std::string_view name = Trimmed(line.substr(1, line.find(']') == std::string_view::npos ? 0 : line.find(']') - 1));
  if (!config || name == "default") return std::string(name);
  if (!name.starts_with("profile") || name.size() < 9 || !IsSpace(name[7])) return "";
  return std::string(Trimmed(name.substr(8)));
}

std::string HomeFile(const Environment& environment, const char* variable, const char* below_home) {
  const std::string named = environment(variable);
  if (!named.empty()) return named;
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + below_home;
}

// Empty where there is none.
Result<std::string> ReadIfThere(const std::string& path) {
  errno = 0;
  std::ifstream in(path);
  if (!in) {
    if (path.empty() || errno == ENOENT || errno == ENOTDIR) return std::string();
    return MakeError(ErrorKind::kConfig, fmt::format("the AWS file {} cannot be read: {}", path, std::strerror(errno)),
                     "Give the user that runs calve the right to read it.");
  }
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

}  // namespace

void AddAwsProfiles(std::string_view text, bool config, AwsProfiles* profiles) {
  AwsProfile* profile = nullptr;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view trimmed = Trimmed(line);
    if (trimmed.empty() || trimmed.front() == '#' || trimmed.front() == ';') continue;
    if (trimmed.front() == '[') {
      const std::string name = SectionName(trimmed, config);
      profile = name.empty() ? nullptr : &(*profiles)[name];
      continue;
    }
    const size_t equals = trimmed.find('=');
    if (!profile || IsSpace(line.front()) || equals == std::string_view::npos) continue;
    profile->emplace(Lower(Trimmed(trimmed.substr(0, equals))), Trimmed(trimmed.substr(equals + 1)));
  }
}

Result<AwsFiles> ReadAwsFiles(const Environment& environment) {
  AwsFiles files;
  files.credentials_file = HomeFile(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  files.config_file = HomeFile(environment, "AWS_CONFIG_FILE", "/.aws/config");
  ARROW_ASSIGN_OR_RAISE(const std::string credentials, ReadIfThere(files.credentials_file));
  AddAwsProfiles(credentials, /*config=*/false, &files.profiles);
  ARROW_ASSIGN_OR_RAISE(const std::string config, ReadIfThere(files.config_file));
  AddAwsProfiles(config, /*config=*/true, &files.profiles);
  return files;
}

std::string AwsProfileName(const std::string& option, const Environment& environment) {
  for (std::string name : {option, environment("AWS_PROFILE"), environment("AWS_DEFAULT_PROFILE")}) {
    if (!name.empty()) return name;
  }
  return "default";
}

}  // namespace calve::objectstore
