// Which tables a command works on: the one that its options describe, or those of a configuration file (--config).
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/cli/session.h"

namespace calve::cli {

struct TableChoice {
  std::string config;               // the configuration file; empty: the options say it all
  std::vector<std::string> tables;  // of the configuration, by name; none: all
};

// --config and --table. Options that describe a table, a source or a warehouse are then no longer required.
void AddTableChoice(CLI::App& command, const char* group, TableChoice& choice);

// The option and what was given.
using NeededOption = std::pair<const char*, const std::string&>;
// What says where the target's tables are: --warehouse, or a REST catalog, which knows it.
NeededOption PlaceOption(const TargetFlags& flags);
// kConfig unless all of `needed` is given, or --config and nothing of it.
Status CheckTableChoice(const TableChoice& choice, const char* command, std::initializer_list<NeededOption> needed);

// Where the tables are.
struct OpenedTables {
  std::optional<config::Config> config;  // with --config
  std::vector<size_t> chosen;            // numbers of its tables
  TargetSide target;
  std::unique_ptr<source::Source> source;  // null where none was asked for
};
Result<OpenedTables> OpenTables(const TableChoice& choice, const SourceFlags& source, const TargetFlags& target,
                                bool with_source, bool read_only, const Clock& clock, StopToken& stop);

// For a command that works on one: kConfig where more of the configuration are chosen.
Status CheckOneTable(const OpenedTables& sides);

// What became of several tables, as one exit code: a difference counts for more than a failure.
class ExitCodes {
 public:
  void Add(int code);
  int code() const;
  size_t done() const { return count_ - different_ - failed_; }
  size_t different() const { return different_; }
  size_t failed() const { return failed_; }

 private:
  size_t count_ = 0, different_ = 0, failed_ = 0;
  int last_failure_ = 0;
};

}  // namespace calve::cli
