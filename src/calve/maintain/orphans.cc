#include "calve/maintain/orphans.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "calve/catalog/metadata_file.h"
#include "calve/storage/location.h"

namespace calve::maintain {
namespace {

using storage::FileInfo;

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string DecodeOnce(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : std::nullopt;
    const auto low = high ? HexDigit(text[i + 2]) : std::nullopt;
    if (!low) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

std::string Decode(std::string text) {
  for (;;) {
    std::string decoded = DecodeOnce(text);
    if (decoded.size() == text.size()) return text;
    text = std::move(decoded);
  }
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool IsTemporaryOfOurs(std::string_view name) { return name.starts_with(".calve-") && name.ends_with(".tmp"); }

bool IsHidden(std::string_view name) { return name.starts_with('.') || name.starts_with('_'); }

// `below`: the path below the root that the file was found in.
bool IsLeftAlone(std::string_view below) {
  const std::string_view name = NameOf(below);
  if (name == "version-hint.text" || catalog::HadoopVersionOf(name)) return true;
  if (IsHidden(name) && !IsTemporaryOfOurs(name)) return true;
  std::string_view folders = below.substr(0, below.size() - name.size());
  while (!folders.empty()) {
    const size_t slash = folders.find('/');
    const std::string_view folder = folders.substr(0, slash);
    if (IsHidden(folder) && folder.find('=') == std::string_view::npos) return true;
    folders.remove_prefix(slash == std::string_view::npos ? folders.size() : slash + 1);
  }
  return false;
}

bool IsOfOpenPlan(std::string_view key, const OrphanRule& rule) {
  if (rule.open_plans.empty()) return false;
  constexpr std::string_view kPlans = "/calve-plans/";
  const std::string_view name = NameOf(key);
  if (key.substr(0, key.size() - name.size()).ends_with(kPlans)) {
    return rule.open_plans.contains(name.substr(0, name.find('.')));
  }
  for (size_t slash = key.find('/'); slash != std::string_view::npos;) {
    const size_t next = key.find('/', slash + 1);
    if (next == std::string_view::npos) return false;
    if (rule.open_plans.contains(key.substr(slash + 1, next - slash - 1))) return true;
    slash = next;
  }
  return false;
}

}  // namespace

std::string PathKey(std::string_view location) {
  const std::string local = storage::LocalPath(location);
  const std::string text = Decode(local.empty() ? std::string(location) : local);
  std::string key;
  for (size_t i = 0; i < text.size();) {
    size_t end = std::min(text.find('/', i), text.size());
    const std::string_view part = std::string_view(text).substr(i, end - i);
    if (!part.empty() && part != ".") key.append("/").append(part);
    i = end + 1;
  }
  return key;
}

bool IsWithin(std::string_view inner, std::string_view outer) {
  const std::string key = PathKey(inner);
  const std::string folder = PathKey(outer);
  return key == folder || key.starts_with(folder + "/");
}

void References::Add(std::string_view location) {
  std::string key = PathKey(location);
  names_.emplace(NameOf(key));
  paths_.insert(std::move(key));
}

bool References::HasName(const std::string& key) const { return names_.find(NameOf(key)) != names_.end(); }

OrphanPlan FindOrphans(std::span<const FileInfo> files, std::span<const std::string> roots,
                       const References& references, const OrphanRule& rule) {
  std::vector<std::string> root_keys;
  for (const std::string& root : roots) root_keys.push_back(PathKey(root) + "/");
  // By their keys: roots may lie in one another.
  std::map<std::string, std::vector<const FileInfo*>> by_key;
  std::set<std::string_view> locations;
  for (const FileInfo& file : files) {
    if (locations.insert(file.location).second) by_key[PathKey(file.location)].push_back(&file);
  }
  OrphanPlan plan;
  plan.listed = static_cast<int64_t>(locations.size());
  for (const auto& [key, same] : by_key) {
    const auto count = static_cast<int64_t>(same.size());
    // The longest root: what is hidden is hidden below the folder that was asked for.
    size_t below = std::string::npos;
    for (const std::string& root : root_keys) {
      if (key.starts_with(root) && (below == std::string::npos || root.size() > below)) below = root.size();
    }
    if (references.HasPath(key)) {
      plan.referenced += count;
    } else if (below == std::string::npos || IsLeftAlone(std::string_view(key).substr(below))) {
      plan.left_alone += count;
    } else if (IsOfOpenPlan(key, rule)) {
      plan.of_open_plans += count;
    } else if (references.HasName(key)) {
      plan.in_doubt += count;
    } else {
      for (const FileInfo* file : same) {
        if (file->mtime_ms <= 0) {
          ++plan.left_alone;
        } else if (rule.now_ms - file->mtime_ms <= rule.age_min_ms) {
          ++plan.young;
        } else {
          plan.orphans.push_back(*file);
        }
      }
    }
  }
  return plan;
}

}  // namespace calve::maintain
