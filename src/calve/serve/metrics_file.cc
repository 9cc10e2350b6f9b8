#include "calve/serve/metrics_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>

#include "calve/base/shared_file.h"

namespace calve::serve {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;
constexpr const char* kMetricsFileRemedy = "Check that its folder exists and may be written to.";

}  // namespace

Result<MetricFamilies> ReadMetricsFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT) return MetricFamilies{};
  if (!file.valid()) return SharedFileError("read", path, kMetricsFileRemedy);
  std::string text;
  char piece[64 << 10];
  for (;;) {
    const ssize_t got = read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SharedFileError("read", path, kMetricsFileRemedy);
    if (got == 0) break;
    text.append(piece, static_cast<size_t>(got));
    if (text.size() > kFileBytesMax) return MakeError(ErrorKind::kCorrupt, fmt::format("{} is too large", path));
  }
  auto families = ParseMetricsText(text);
  if (!families.ok()) {
    return WithKind(WithContext(families.status(), path + " holds no metrics of calve's"), ErrorKind::kCorrupt,
                    "Name another file, or delete this one.");
  }
  return families;
}

Status UpdateMetricsFile(const std::string& path,
                         const std::function<MetricFamilies(const MetricFamilies& earlier)>& update) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string place = folder.empty() ? "." : folder;
  const UniqueFd lock(open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return SharedFileError("open the folder", place, kMetricsFileRemedy);
  HoldLock(lock);
  auto earlier = ReadMetricsFile(path);
  ARROW_RETURN_NOT_OK(earlier.status());
  // Others read it; node_exporter takes names that end in .prom alone, so never the temporary one.
  return ReplaceSharedFile(path, MetricsText(update(*earlier)), 0644, kMetricsFileRemedy);
}

}  // namespace calve::serve
