#include "calve/catalog/hadoop_versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "calve/catalog/metadata_file.h"

namespace calve::catalog {
namespace {

constexpr const char* kHintFile = "version-hint.text";
constexpr const char* kExtensions[] = {".metadata.json", ".gz.metadata.json", ".metadata.json.gz"};

}  // namespace

HadoopVersions::HadoopVersions(storage::FileIO& file_io, std::string table_location)
    : file_io_(file_io), metadata_location_(storage::JoinLocation(table_location, "metadata")) {}

std::string HadoopVersions::FileLocation(const std::string& file_name) const {
  return storage::JoinLocation(metadata_location_, file_name);
}

Result<std::optional<HadoopVersion>> HadoopVersions::Locate(int64_t number) {
  for (const char* extension : kExtensions) {
    std::string location = FileLocation(fmt::format("v{}{}", number, extension));
    ARROW_ASSIGN_OR_RAISE(bool there, file_io_.Exists(location));
    if (there) return HadoopVersion{number, std::move(location)};
  }
  return std::nullopt;
}

Result<std::optional<HadoopVersion>> HadoopVersions::ScanForward(HadoopVersion from) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> next, Locate(from.number + 1));
    if (!next) return from;
    from = std::move(*next);
  }
}

Result<std::optional<HadoopVersion>> HadoopVersions::FindCurrent() {
  if (std::optional<int64_t> hint = ReadHint()) {
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> version, Locate(*hint));
    if (version) return ScanForward(std::move(*version));
  }
  return FindHighest();
}

Result<std::optional<HadoopVersion>> HadoopVersions::FindHighest() {
  ARROW_ASSIGN_OR_RAISE(std::vector<HadoopVersion> all, All());
  if (all.empty()) return std::nullopt;
  // Where a version stands there in two spellings, all readers must take the same one.
  ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> highest, Locate(all.back().number));
  return ScanForward(highest ? std::move(*highest) : std::move(all.back()));
}

Result<std::vector<HadoopVersion>> HadoopVersions::All() {
  ARROW_ASSIGN_OR_RAISE(std::vector<storage::FileInfo> files, file_io_.List(metadata_location_));
  std::vector<HadoopVersion> versions;
  for (storage::FileInfo& file : files) {
    bool directly_below = file.location.find_last_of('/') == metadata_location_.size();
    std::optional<int64_t> number = HadoopVersionOf(file.location);
    if (number && directly_below) versions.push_back({*number, std::move(file.location)});
  }
  std::sort(versions.begin(), versions.end(), [](const HadoopVersion& a, const HadoopVersion& b) {
    return a.number != b.number ? a.number < b.number : a.location < b.location;
  });
  return versions;
}

std::optional<int64_t> HadoopVersions::ReadHint() {
  auto bytes = file_io_.Read(FileLocation(kHintFile));
  if (!bytes.ok()) return std::nullopt;
  std::string_view text = *bytes;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  int64_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size() || number < 1 || number > INT32_MAX) return std::nullopt;
  return number;
}

Status HadoopVersions::WriteHint(int64_t number) {
  // Hadoop's local file system keeps a checksum beside each file that it wrote and refuses to read the file once they
  // differ.
  if (!storage::LocalPath(metadata_location_).empty()) {
    ARROW_RETURN_NOT_OK(file_io_.Delete(FileLocation(fmt::format(".{}.crc", kHintFile))));
  }
  return file_io_.Replace(FileLocation(kHintFile), std::to_string(number));
}

Status HadoopVersions::DeleteHint() { return file_io_.Delete(FileLocation(kHintFile)); }

}  // namespace calve::catalog
