// A small map of strings, sorted, in one block of memory. A table's metadata has thousands of snapshots with a summary
// each, of which hardly any is ever looked into: they have to be cheap to read, to copy and to drop.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace calve::iceberg {

class StringMap {
 public:
  using Entry = std::pair<std::string_view, std::string_view>;

  // Valid until the map changes.
  class Iterator {
   public:
    const Entry& operator*() const { return entry_; }
    const Entry* operator->() const { return &entry_; }
    Iterator& operator++();
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    friend class StringMap;
    Iterator(std::string_view bytes, size_t at);

    std::string_view bytes_;
    size_t at_;
    Entry entry_;
  };

  StringMap() = default;
  StringMap(std::initializer_list<Entry> entries);
  StringMap(const std::map<std::string, std::string>& entries);  // NOLINT: they are the same thing

  bool empty() const { return bytes_.empty(); }
  size_t size() const;
  Iterator begin() const { return {bytes_, 0}; }
  Iterator end() const { return {bytes_, bytes_.size()}; }
  Iterator find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != end(); }
  std::string_view at(std::string_view key) const;  // throws std::out_of_range

  // In the order of the keys it is an append.
  void Set(std::string_view key, std::string_view value);
  void Erase(std::string_view key);
  void clear();

  friend bool operator==(const StringMap& a, const StringMap& b) { return a.bytes_ == b.bytes_; }

 private:
  std::string bytes_;  // of each entry: two sizes (uint32_t), key, value
  size_t last_ = 0;    // where the last entry begins
};

}  // namespace calve::iceberg
