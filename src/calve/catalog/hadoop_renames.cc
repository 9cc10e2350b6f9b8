#include "calve/catalog/hadoop_renames.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <thread>

#include "calve/storage/location.h"

namespace calve::catalog {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

// "<uuid>.metadata.json", or ".gz.metadata.json"; "00001-<uuid>.metadata.json" is a SQL catalog's and no such file.
bool IsOnItsWay(std::string_view name) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.";
  constexpr std::string_view kEnd = ".metadata.json";
  if (name.size() < kForm.size() + kEnd.size() - 1 || !name.ends_with(kEnd)) return false;
  return std::equal(kForm.begin(), kForm.end(), name.begin(), [](char form, char c) {
    return form == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : form == c;
  });
}

}  // namespace

Result<bool> AwaitRenames(storage::FileIO& file_io, const Clock& clock, const HadoopVersions& versions) {
  const std::string folder = versions.FileLocation("");
  if (storage::LocalPath(folder).empty()) return false;
  ARROW_ASSIGN_OR_RAISE(std::vector<storage::FileInfo> files, file_io.List(folder));
  const auto began = Steady::now();
  bool any = false;
  for (const storage::FileInfo& file : files) {
    if (!IsOnItsWay(std::string_view(file.location).substr(file.location.rfind('/') + 1))) continue;
    // A clock that was set back makes no file older than it can be.
    const int64_t age_ms = std::max<int64_t>(0, clock.Now() / 1000 - file.mtime_ms);
    const auto until = began + milliseconds(kRenameMaxMs - std::min(age_ms, kRenameMaxMs));
    milliseconds pause(1);
    while (Steady::now() < until) {
      any = true;
      ARROW_ASSIGN_OR_RAISE(bool there, file_io.Exists(file.location));
      if (!there) break;
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, milliseconds(50));
    }
  }
  return any;
}

}  // namespace calve::catalog
