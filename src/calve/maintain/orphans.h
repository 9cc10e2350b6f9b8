// Which files of a table's folders nothing refers to. Pure: the files, what is referred to, the time.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::maintain {

// One text for all spellings of a location that may mean the same file: "file:///a", "file://localhost/a", "file:/a"
// and "/a"; "//" and "/./"; percent-encoded or not (decoded until nothing changes, because some writers encode a name
// that is encoded already). Two files may get one text; then both are kept.
std::string PathKey(std::string_view location);

// Whether `inner` is `outer` or lies below it, whatever their spelling.
bool IsWithin(std::string_view inner, std::string_view outer);

// What a table's metadata refers to.
class References {
 public:
  void Add(std::string_view location);
  bool HasPath(const std::string& key) const { return paths_.contains(key); }
  // A file of that name, anywhere.
  bool HasName(const std::string& key) const;
  size_t size() const { return paths_.size(); }

 private:
  std::set<std::string> paths_;
  std::set<std::string, std::less<>> names_;
};

struct OrphanRule {
  int64_t now_ms = 0;
  int64_t age_min_ms = 0;
  // Ids of plans of slices that are open: what was written for them may be committed any time.
  std::set<std::string, std::less<>> open_plans = {};
};

struct OrphanPlan {
  std::vector<storage::FileInfo> orphans;  // to delete, in the order of their locations
  int64_t listed = 0;                      // different files seen
  int64_t referenced = 0;
  int64_t young = 0;  // not referred to, and not older than the limit: a running commit may own them
  int64_t in_doubt =
      0;  // named like a file that is referred to elsewhere: names hold UUIDs, so a folder was linked or moved
  int64_t of_open_plans = 0;  // not referred to yet, whatever their age
  int64_t left_alone = 0;     // hidden, or files of the hadoop catalog
};

// `files` are those found below `roots`. Of an open plan are those in a folder of its id, and those in calve-plans that
// begin with it. Left alone whatever their age:
//   vN.metadata.json in all spellings and version-hint.text: a hadoop catalog finds its table by them;
//   names that begin with "." or "_", and folders of such names unless they are partitions' ("_x=1"): other tools'
//   checksums, staging and logs. calve's own temporaries (.calve-UUID.tmp) are not among them;
//   files whose age is not known.
OrphanPlan FindOrphans(std::span<const storage::FileInfo> files, std::span<const std::string> roots,
                       const References& references, const OrphanRule& rule);

}  // namespace calve::maintain
