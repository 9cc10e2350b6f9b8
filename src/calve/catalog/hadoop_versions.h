// The version files of one table in a hadoop catalog: <table>/metadata/vN.metadata.json, and version-hint.text.
// Spec: "File System Tables".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "calve/storage/file_io.h"

namespace calve::catalog {

struct HadoopVersion {
  int64_t number = 0;
  std::string location;
};

// Reads only what it is asked for; keeps nothing. `file_io` must outlive it.
class HadoopVersions {
 public:
  HadoopVersions(storage::FileIO& file_io, std::string table_location);

  std::string FileLocation(const std::string& file_name) const;
  // The highest version: from the hint forward where that leads anywhere, else by listing. nullopt: there is no table.
  Result<std::optional<HadoopVersion>> FindCurrent();
  // The same without believing the hint.
  Result<std::optional<HadoopVersion>> FindHighest();
  // Every version file, lowest first.
  Result<std::vector<HadoopVersion>> All();
  // Version `number` in any of its spellings, in the order in which Java looks for them.
  Result<std::optional<HadoopVersion>> Locate(int64_t number);
  // What the hint says; nullopt where it is missing, unreadable or no number: it is only a hint.
  std::optional<int64_t> ReadHint();
  Status WriteHint(int64_t number);
  Status DeleteHint();

 private:
  Result<std::optional<HadoopVersion>> ScanForward(HadoopVersion from);

  storage::FileIO& file_io_;
  const std::string metadata_location_;
};

}  // namespace calve::catalog
