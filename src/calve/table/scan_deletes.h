// Which delete files apply to which data files. Spec: "Scan Planning".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::table {

// The delete files of a snapshot, found by partition. `metadata` must outlive it.
class DeleteIndex {
 public:
  explicit DeleteIndex(const iceberg::TableMetadata& metadata) : metadata_(metadata) {}

  // A live entry with its data sequence number.
  void Add(iceberg::DataFile file, int64_t sequence_number);
  // Those that apply to rows of `file`, in the order in which they were added.
  std::vector<iceberg::DataFile> For(const iceberg::DataFile& file, int64_t sequence_number) const;

 private:
  struct Delete {
    iceberg::DataFile file;
    int64_t sequence_number = 0;
  };

  const iceberg::TableMetadata& metadata_;
  std::vector<Delete> deletes_;
  std::map<std::string, std::vector<size_t>> by_partition_;
  std::map<std::string, std::vector<size_t>> by_path_;  // position deletes of one data file
  std::vector<size_t> global_;                          // equality deletes of an unpartitioned spec
};

}  // namespace calve::table
