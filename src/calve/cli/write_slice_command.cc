#include <map>
#include <utility>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/reader_watch.h"
#include "calve/cli/session.h"
#include "calve/cli/slice_jobs.h"
#include "calve/cli/slice_output.h"
#include "calve/config/load_config.h"
#include "calve/offload/write_planned_slice.h"
#include "calve/table/plan_store.h"

namespace calve::cli {
namespace {

constexpr const char* kWriteSliceFooter = R"(Examples:
  calve plan … | calve write-slice --source http://default@ch:8123/k2 | calve commit …
  calve plan … | parallel --pipe -N1 calve write-slice --source http://default@ch:8123/k2 | calve commit …
  spark-submit spark/calve_offload.py …        the same on Spark's executors (docs/spark.md)

Reads lines of calve plan, and prints a line for each as soon as its data files are written. Needs the source and the store
of the warehouse, no catalog and no journal. May run twice for one slice, anywhere, and be killed at any time: what counts
is which line calve commit is given, and the files of the others are deleted then. Ends by itself when nobody reads what it
prints.)";

struct WriteSliceFlags {
  std::string config;
  SourceFlags source;
  StoreFlags store;
  OutputFlags output;
  std::string memory = "512MiB";
  int attempts = 3;
};

struct SliceSides {
  std::unique_ptr<source::Source> source;  // null where none was named: compacting needs none
  std::unique_ptr<storage::FileIO> file_io;
};

Result<SliceSides> OpenSides(const WriteSliceFlags& flags, StopToken& stop) {
  SliceSides sides;
  storage::FileIOContext files;
  files.stop = &stop;
  if (!flags.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(const config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
    files.options = config.store;
    ARROW_ASSIGN_OR_RAISE(sides.source, OpenSourceOf(config.source, stop));
  } else {
    ARROW_ASSIGN_OR_RAISE(files.options, StoreOptionsOf(flags.store));
    if (!flags.source.url.empty()) {
      ARROW_ASSIGN_OR_RAISE(sides.source, OpenSourceOf(flags.source, stop));
    }
  }
  ARROW_ASSIGN_OR_RAISE(sides.file_io, storage::OpenFileIO(files));
  return sides;
}

// Slices of one plan share its file.
class Plans {
 public:
  explicit Plans(storage::FileIO& file_io) : file_io_(file_io) {}

  Result<const offload::OffloadPlan*> Find(const std::string& location) {
    if (const auto found = plans_.find(location); found != plans_.end()) return &found->second;
    ARROW_ASSIGN_OR_RAISE(const std::string text, table::ReadPlan(file_io_, location));
    auto plan = offload::ReadOffloadPlan(text);
    if (!plan.ok()) return WithContext(plan.status(), location);
    return &plans_.emplace(location, std::move(*plan)).first->second;
  }

 private:
  storage::FileIO& file_io_;
  std::map<std::string, offload::OffloadPlan> plans_;
};

// Of a line that is none of calve plan's.
template <typename T>
Result<T> LineOfPlan(Result<T> line) {
  if (line.ok()) return line;
  return WithKind(line.status(), KindOf(line.status()), "Give lines as calve plan printed them.");
}

Status WriteSlices(const WriteSliceFlags& flags, StopToken& stop, Terminal& terminal) {
  offload::SliceWriteOptions options;
  ARROW_ASSIGN_OR_RAISE(options.memory_bytes, ParseBytes(flags.memory));
  options.attempts_max = flags.attempts;
  ARROW_ASSIGN_OR_RAISE(const SliceSides sides, OpenSides(flags, stop));
  Plans plans(*sides.file_io);
  return ForEachLine(stop, [&](const std::string& text) -> Status {
    ARROW_ASSIGN_OR_RAISE(const offload::LineOrigin origin, LineOfPlan(offload::ReadLineOrigin(text)));
    if (origin.job != offload::kOffloadJob) {
      const JobSliceContext job{sides.source.get(), *sides.file_io, stop, terminal, options.memory_bytes};
      ARROW_ASSIGN_OR_RAISE(const std::string line, WriteJobSlice(job, origin.job, text));
      PrintLine(line);
      return FlushLines();
    }
    if (!sides.source) {
      return MakeError(ErrorKind::kConfig, "--source is missing", "calve write-slice --help has examples.");
    }
    ARROW_ASSIGN_OR_RAISE(const offload::SliceLine slice, LineOfPlan(offload::ReadSliceLine(text)));
    ARROW_ASSIGN_OR_RAISE(const offload::OffloadPlan* plan, plans.Find(slice.origin.plan));
    source::RunSource source = RunOf(*sides.source, plan->source_table, "slice", terminal);
    const offload::SliceWriteContext context{source, *sides.file_io, stop, terminal};
    ARROW_ASSIGN_OR_RAISE(const offload::WrittenLine written,
                          offload::WritePlannedSlice(context, *plan, slice, options));
    ARROW_ASSIGN_OR_RAISE(const auto types, offload::PartitionTypesOf(*plan));
    ARROW_ASSIGN_OR_RAISE(const std::string line, offload::WriteWrittenLine(written, types));
    PrintLine(line);
    return FlushLines();
  });
}

int RunWriteSlice(const WriteSliceFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const ReaderWatch watch(stop);
  const Status done = WriteSlices(flags, stop, terminal);
  terminal.EndProgress();
  if (!done.ok()) terminal.Error(WithContext(done, "write-slice"));
  return ExitCodeOf(done, stop);
}

}  // namespace

void AddWriteSliceCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<WriteSliceFlags>();
  CLI::App* command = app.add_subcommand("write-slice", "Writes slices of a plan (calve plan) into data files");
  command->add_option("--memory", flags->memory, "for blocks in flight and open files together")
      ->envname("CALVE_MEMORY")
      ->capture_default_str();
  command
      ->add_option("--attempts", flags->attempts,
                   "read a slice so often where the source breaks off, or changes while it is read")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddSourceFlags(*command, flags->source);
  AddStoreFlags(*command, flags->store);
  command->add_option("--config", flags->config, "source and store of this configuration file")
      ->envname("CALVE_CONFIG");
  for (CLI::Option* option : command->get_options()) {
    if (option->check_lname("source")) option->required(false);
  }
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kWriteSliceFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunWriteSlice(*flags, stop); }; });
}

}  // namespace calve::cli
