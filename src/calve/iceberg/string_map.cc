#include "calve/iceberg/string_map.h"

#include <cstring>
#include <stdexcept>

namespace calve::iceberg {
namespace {

constexpr size_t kSizesBytes = 2 * sizeof(uint32_t);

StringMap::Entry EntryAt(std::string_view bytes, size_t at) {
  uint32_t sizes[2];
  std::memcpy(sizes, bytes.data() + at, kSizesBytes);
  const size_t key = at + kSizesBytes;
  return {bytes.substr(key, sizes[0]), bytes.substr(key + sizes[0], sizes[1])};
}

size_t BytesOf(const StringMap::Entry& entry) { return kSizesBytes + entry.first.size() + entry.second.size(); }

void Append(std::string& bytes, std::string_view key, std::string_view value) {
  const uint32_t sizes[2] = {static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
  bytes.append(reinterpret_cast<const char*>(sizes), kSizesBytes);
  bytes.append(key);
  bytes.append(value);
}

}  // namespace

StringMap::Iterator::Iterator(std::string_view bytes, size_t at) : bytes_(bytes), at_(at) {
  if (at_ < bytes_.size()) entry_ = EntryAt(bytes_, at_);
}

StringMap::Iterator& StringMap::Iterator::operator++() {
  at_ += BytesOf(entry_);
  if (at_ < bytes_.size()) entry_ = EntryAt(bytes_, at_);
  return *this;
}

StringMap::StringMap(std::initializer_list<Entry> entries) {
  for (const auto& [key, value] : entries) Set(key, value);
}

StringMap::StringMap(const std::map<std::string, std::string>& entries) {
  for (const auto& [key, value] : entries) Set(key, value);
}

size_t StringMap::size() const {
  size_t count = 0;
  for (auto entry = begin(); entry != end(); ++entry) ++count;
  return count;
}

StringMap::Iterator StringMap::find(std::string_view key) const {
  for (auto entry = begin(); entry != end(); ++entry) {
    if (entry->first == key) return entry;
    if (entry->first > key) break;
  }
  return end();
}

std::string_view StringMap::at(std::string_view key) const {
  const auto found = find(key);
  if (found == end()) throw std::out_of_range("no entry " + std::string(key));
  return found->second;
}

void StringMap::Set(std::string_view key, std::string_view value) {
  if (bytes_.empty() || EntryAt(bytes_, last_).first < key) {
    last_ = bytes_.size();
    Append(bytes_, key, value);
    return;
  }
  auto next = begin();
  while (next->first < key) ++next;  // there is one that is not
  const size_t replaced = next->first == key ? BytesOf(*next) : 0;
  std::string entry;
  Append(entry, key, value);
  const bool was_last = replaced > 0 && next.at_ == last_;
  const size_t at = next.at_;
  bytes_.replace(at, replaced, entry);
  if (!was_last) last_ += entry.size() - replaced;
}

void StringMap::Erase(std::string_view key) {
  const auto found = find(key);
  if (found == end()) return;
  const size_t at = found.at_;
  bytes_.erase(at, BytesOf(*found));
  last_ = 0;
  for (auto entry = begin(); entry != end(); ++entry) last_ = entry.at_;
}

void StringMap::clear() {
  bytes_.clear();
  last_ = 0;
}

}  // namespace calve::iceberg
