// What the command line says of a table that is offloaded.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "calve/cli/session.h"
#include "calve/offload/offload.h"

namespace calve::cli {

struct OffloadFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string source_table, target_table, timestamp_col, sequence_col, layer, buffer = "5m", covers = "0s", until,
                                                                              start_from;
  std::vector<std::string> partition_by, types, expressions, excluded, renamed, properties;
  std::string where;
  std::string view, sort_by, new_columns = "add", memory = "512MiB", lease = "10m", lookback = "2d", mode = "auto";
  std::string chunk_bytes = "16GiB";
  int64_t chunk_rows = 50'000'000;
  int64_t readers = 1;
  std::vector<std::string> key;
  std::string metrics_file;
  bool dry_run = false, repartition = false;
};

// The table's own options, not those of source, target and output.
void AddOffloadFlags(CLI::App& command, OffloadFlags& flags);
// kConfig names the option and what is wrong with it.
Result<offload::OffloadRequest> OffloadRequestOf(const OffloadFlags& flags);

}  // namespace calve::cli
