#include "calve/catalog/hadoop_renames.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>

#include "calve/catalog/metadata_file.h"

namespace calve::catalog {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Files = std::vector<storage::FileInfo>;

std::string_view NameOf(std::string_view location) { return location.substr(location.rfind('/') + 1); }

// "<uuid>.metadata.json", or ".gz.metadata.json"; "00001-<uuid>.metadata.json" is a SQL catalog's and no such file.
bool IsOnItsWay(std::string_view name) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.";
  constexpr std::string_view kEnd = ".metadata.json";
  if (name.size() < kForm.size() + kEnd.size() - 1 || !name.ends_with(kEnd)) return false;
  return std::equal(kForm.begin(), kForm.end(), name.begin(), [](char form, char c) {
    return form == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : form == c;
  });
}

// Of "snap-<snapshot>-<try>-<uuid>.avro": up to the try, and the try.
struct ManifestListName {
  std::string snapshot;
  int64_t attempt = 0;
};
std::optional<ManifestListName> ParseManifestListName(std::string_view name) {
  const size_t id = name.find('-'), attempt = id == name.npos ? id : name.find('-', id + 1);
  if (!name.starts_with("snap-") || attempt == name.npos) return std::nullopt;
  ManifestListName parsed{std::string(name.substr(0, attempt + 1)), 0};
  const char* begin = name.data() + attempt + 1;
  auto [end, error] = std::from_chars(begin, name.data() + name.size(), parsed.attempt);
  if (error != std::errc() || end == begin || *end != '-') return std::nullopt;
  return parsed;
}

// Whether the commit that this metadata was written for has gone on to another try, or has ended.
bool WasGivenUp(const iceberg::TableMetadata& metadata, const Files& files) {
  const iceberg::Snapshot* snapshot = metadata.CurrentSnapshot();
  if (!snapshot) return false;
  const std::string_view list = NameOf(snapshot->manifest_list);
  const auto ours = ParseManifestListName(list);
  if (!ours) return false;
  bool there = false;
  for (const storage::FileInfo& file : files) {
    const std::string_view name = NameOf(file.location);
    there = there || name == list;
    if (!name.starts_with(ours->snapshot)) continue;
    const auto other = ParseManifestListName(name);
    if (other && other->attempt > ours->attempt) return true;
  }
  return !there;
}

// The version that it is to become.
std::optional<int64_t> TargetOf(const iceberg::TableMetadata& metadata) {
  if (metadata.metadata_log.empty()) return 1;
  auto base = HadoopVersionOf(metadata.metadata_log.back().metadata_file);
  return base ? std::optional(*base + 1) : std::nullopt;
}

// Whether it may still be renamed to one of `targets`.
bool MayStillCome(storage::FileIO& file_io, const std::string& location, const Files& files,
                  std::span<const int64_t> targets) {
  const bool there = std::ranges::any_of(files, [&](const auto& file) { return file.location == location; });
  if (!there) return false;
  auto metadata = ReadMetadata(file_io, location);
  if (!metadata.ok()) return KindOf(metadata.status()) != ErrorKind::kNotFound;  // still being written, or unreadable
  const auto target = TargetOf(*metadata);
  if (target && std::ranges::find(targets, *target) == targets.end()) return false;
  return !WasGivenUp(*metadata, files);
}

}  // namespace

Result<bool> AwaitRenames(storage::FileIO& file_io, const Clock& clock, const HadoopVersions& versions,
                          std::span<const int64_t> targets) {
  const std::string folder = versions.FileLocation("");
  if (storage::LocalPath(folder).empty()) return false;
  ARROW_ASSIGN_OR_RAISE(const Files seen, file_io.List(folder));
  const auto began = Steady::now();
  bool any = false;
  for (const storage::FileInfo& file : seen) {
    if (!IsOnItsWay(NameOf(file.location))) continue;
    // A clock that was set back makes no file older than it can be.
    const int64_t age_ms = std::max<int64_t>(0, clock.Now() / 1000 - file.mtime_ms);
    const auto until = began + milliseconds(kRenameMaxMs - std::min(age_ms, kRenameMaxMs));
    Files files = seen;
    for (milliseconds pause(1); Steady::now() < until; pause = std::min(pause * 2, milliseconds(50))) {
      if (!MayStillCome(file_io, file.location, files, targets)) break;
      any = true;
      std::this_thread::sleep_for(pause);
      ARROW_ASSIGN_OR_RAISE(files, file_io.List(folder));
    }
  }
  return any;
}

}  // namespace calve::catalog
