#include "calve/cli/slice_jobs.h"

#include <cstdio>

#include "calve/cli/exit_code.h"
#include "calve/cli/maintain_output.h"
#include "calve/cli/maintain_plan.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/slice_output.h"
#include "calve/cli/verify_report.h"
#include "calve/cycle/table_request.h"
#include "calve/maintain/compact_slices.h"
#include "calve/offload/slice_lines.h"
#include "calve/offload/verify_slices.h"
#include "calve/source/introspection.h"
#include "calve/table/plan_store.h"

namespace calve::cli {
namespace {

Status UnknownJob(const std::string& job) {
  return MakeError(ErrorKind::kConfig, fmt::format("a line of the job '{}', which this calve does not know", job),
                   "Let one version of calve plan, write and commit.");
}

const config::TableConfig* TableOf(const OpenedTables& sides) {
  return sides.config ? &sides.config->tables[sides.chosen.front()] : nullptr;
}

Result<catalog::TableIdent> TargetOf(const JobPlan& plan, const OpenedTables& sides) {
  if (const config::TableConfig* table = TableOf(sides)) return table->target;
  return catalog::ParseTableIdent(plan.table.target_table, plan.table.target.catalog_name);
}

Result<offload::VerifyRequest> VerifyRequestOf(const JobPlan& plan, const OpenedTables& sides) {
  offload::VerifyRequest request;
  ARROW_RETURN_NOT_OK(TakeVerifyRange(plan.job.verify, request));
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", plan.table.source.settings));
  request.key = plan.table.key;
  if (const config::TableConfig* table = TableOf(sides)) return cycle::VerifyRequestOf(*table, request);
  ARROW_ASSIGN_OR_RAISE(const offload::OffloadRequest offload, OffloadRequestOf(plan.table));
  request.source_table = offload.source_table;
  request.target = offload.target;
  request.timestamp_column = offload.timestamp_column;
  request.columns = offload.columns;
  request.where = offload.where;
  return request;
}

// "3 slices of 120 rows, plan …" for people, and the lines.
Status PrintPlanned(const std::vector<std::string>& lines, int64_t rows, bool resumed, const std::string& location,
                    Terminal& terminal) {
  terminal.Note(fmt::format("{}{} slices{}, plan {}", resumed ? "resumed: " : "", lines.size(),
                            rows > 0 ? fmt::format(" of {} rows", HumanCount(rows)) : "", location));
  for (const std::string& line : lines) PrintLine(line);
  return FlushLines();
}

Status PlanVerifyJob(const JobPlan& plan, const OpenedTables& sides, const Clock& clock, StopToken& stop,
                     Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const offload::VerifyRequest request, VerifyRequestOf(plan, sides));
  offload::VerifySlicesOptions options{{plan.slices, plan.slice_rows}, plan.resume};
  ARROW_ASSIGN_OR_RAISE(options.lease_micros, ParseDuration(plan.lease));
  source::RunSource source = RunOf(*sides.source, source::BareTableName(request.source_table), "verify", terminal);
  const TargetSide& side = sides.target;
  const offload::VerifyContext context{&source, *side.catalog, *side.file_io,     clock,
                                       stop,    terminal,      side.journal.get()};
  auto planned = offload::PlanVerifySlices(context, request, options);
  if (!planned.ok()) return ExplainMissingTable(planned.status(), request.target, *side.catalog);
  for (const std::string& note : planned->notes) terminal.Note(note);
  if (planned->lines.empty()) {
    terminal.Note(fmt::format("nothing to compare for {}", request.target.ToString()));
    return Status::OK();
  }
  return PrintPlanned(planned->lines, planned->rows, planned->resumed, planned->location, terminal);
}

Result<maintain::CompactionRequest> CompactionRequestOf(const JobPlan& plan, const OpenedTables& sides) {
  MaintainFlags flags;
  flags.compact = true;
  flags.target_size = plan.job.target_size;
  flags.min_files = plan.job.min_files;
  ARROW_ASSIGN_OR_RAISE(const config::CatalogConfig catalog, sides.config
                                                                 ? Result<config::CatalogConfig>(sides.config->catalog)
                                                                 : CatalogConfigOf(plan.table.target));
  ARROW_ASSIGN_OR_RAISE(const maintain::MaintenancePlan maintenance,
                        sides.config ? PlanOf(flags, *sides.config, *TableOf(sides)) : PlanOf(flags, catalog));
  return *maintenance.compact;
}

Status PlanCompactJob(const JobPlan& plan, const OpenedTables& sides, const Clock& clock, StopToken& stop,
                      Terminal& terminal) {
  maintain::CompactSlicesRequest request;
  ARROW_ASSIGN_OR_RAISE(request.compact, CompactionRequestOf(plan, sides));
  ARROW_ASSIGN_OR_RAISE(request.compact.ident, TargetOf(plan, sides));
  ARROW_ASSIGN_OR_RAISE(request.lease_micros, ParseDuration(plan.lease));
  request.resume = plan.resume;
  request.slices = plan.slices;
  const TargetSide& side = sides.target;
  const std::string target = request.compact.ident.ToString();
  auto planned = maintain::PlanCompactSlices(*side.catalog, *side.file_io, clock, stop, request);
  if (!planned.ok()) return ExplainMissingTable(planned.status(), request.compact.ident, *side.catalog);
  for (const std::string& note : planned->notes) terminal.Note(note);
  for (const std::string& note : planned->report.notes) terminal.Note(note);
  if (planned->held_since) {
    terminal.Note(
        fmt::format("skipped, a plan of {} made at {} is being carried out: --resume goes on with it, "
                    "--abandon gives it up",
                    target, FormatTimestamp(*planned->held_since)));
    return Status::OK();
  }
  if (planned->lines.empty()) {
    terminal.Note(fmt::format("nothing to do for {}: {} small data files, none worth compacting", target,
                              HumanCount(planned->report.plan.small_files)));
    return Status::OK();
  }
  return PrintPlanned(planned->lines, planned->rows, planned->resumed, planned->location, terminal);
}

Result<int> CommitVerify(const TargetSide& side, const JobLines& given, bool json, Terminal& terminal) {
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const offload::SummedVerify summed,
                        offload::SumVerifySlices(*side.file_io, clock, given.lines, given.plan, given.keep));
  const offload::VerifyResult& result = summed.result;
  for (const std::string& note : result.notes) terminal.Note(note);
  const VerifyWords words{summed.bucket_micros == kMicrosPerDay ? "day" : "hour", false};
  const int code = result.equal() ? kExitDone : kExitDifference;
  terminal.TellResult(VerifiedEvent(result, source::BareTableName(result.table), summed.plan_id));
  if (json) {
    PrintJson(VerifyJson(result, words, code));
  } else {
    PrintVerify(result, words);
  }
  return code;
}

Result<int> CommitCompact(const TargetSide& side, const JobLines& given, bool json, Terminal& terminal) {
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(
      const maintain::CommittedCompaction done,
      maintain::CommitCompactSlices(*side.catalog, *side.file_io, clock, {given.lines, given.plan, given.keep}));
  maintain::MaintenanceReport report;
  report.compact = done.report;
  const std::string target = done.ident.ToString();
  const double seconds = done.made_at == 0 ? 0 : static_cast<double>(clock.Now() - done.made_at) / kMicrosPerSecond;
  terminal.TellResult(MaintainedEvent(target, report, seconds));
  for (const std::string& note : NotesOf(report)) terminal.Warn(fmt::format("{}: {}", target, note));
  if (json) {
    Json table = {{"table", target}};
    table.update(MaintenanceJson(report));
    table["dry_run"] = false;
    table["done_before"] = done.was_done;
    table["files_swept"] = done.files_swept;
    PrintJson({{"tables", Json::array({table})}, {"exit_code", kExitDone}});
    return kExitDone;
  }
  if (done.was_done) std::printf("%s: was committed before\n", target.c_str());
  for (const std::string& line : MaintenanceText(report, {})) std::printf("%s: %s\n", target.c_str(), line.c_str());
  return kExitDone;
}

}  // namespace

void AddJobFlags(CLI::App& command, JobFlags& flags) {
  command.add_option("--job", flags.job, "what the slices are to do: offload, verify or compact")
      ->check(CLI::IsMember({"offload", "verify", "compact"}))
      ->capture_default_str()
      ->group("Plan");
  AddVerifyRangeFlags(command, "With --job verify", flags.verify);
  const char* group = "With --job compact";
  command
      .add_option("--target-size", flags.target_size,
                  "a file's size; without it the table's write.target-file-size-bytes, or 512MiB")
      ->group(group);
  command
      .add_option("--min-files", flags.min_files,
                  fmt::format("so many small files are worth it [{}]", maintain::kCompactFilesMin))
      ->group(group);
}

Status PlanJob(const JobPlan& plan, StopToken& stop, Terminal& terminal) {
  const bool compares = plan.job.job == "verify";
  const OffloadFlags& table = plan.table;
  const NeededOption target{"--target-table", table.target_table}, place = PlaceOption(table.target);
  ARROW_RETURN_NOT_OK(compares ? CheckTableChoice(plan.choice, "plan",
                                                  {{"--source", table.source.url},
                                                   place,
                                                   {"--source-table", table.source_table},
                                                   target,
                                                   {"--timestamp-col", table.timestamp_col}})
                               : CheckTableChoice(plan.choice, "plan", {place, target}));
  const SystemClock clock;
  const bool with_source = compares && !plan.abandon;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides, OpenTables(plan.choice, table.source, table.target, with_source,
                                                             /*read_only=*/true, clock, stop));
  ARROW_RETURN_NOT_OK(CheckOneTable(sides));
  if (plan.abandon) {
    ARROW_ASSIGN_OR_RAISE(const catalog::TableIdent ident, TargetOf(plan, sides));
    storage::FileIO& file_io = *sides.target.file_io;
    ARROW_ASSIGN_OR_RAISE(const int64_t count,
                          compares ? offload::AbandonVerifyPlans(*sides.target.catalog, file_io, ident)
                                   : maintain::AbandonCompactPlans(*sides.target.catalog, file_io, ident));
    terminal.Note(fmt::format("{}: {} open plans of the job {} were given up", ident.ToString(), count, plan.job.job));
    return Status::OK();
  }
  return compares ? PlanVerifyJob(plan, sides, clock, stop, terminal)
                  : PlanCompactJob(plan, sides, clock, stop, terminal);
}

Result<std::string> WriteJobSlice(const JobSliceContext& context, const std::string& job, const std::string& line) {
  if (job == maintain::kCompactJob) {
    return maintain::CompactOneSlice(context.file_io, context.stop, line, context.memory_bytes, &context.terminal);
  }
  if (job != offload::kVerifyJob) return UnknownJob(job);
  if (context.source == nullptr) {
    return MakeError(ErrorKind::kConfig, "--source is missing", "calve write-slice --help has examples.");
  }
  source::RunSource source = RunOf(*context.source, "slice", "verify", context.terminal);
  const offload::SidesContext sides{&source, context.file_io, context.stop, context.terminal};
  return offload::VerifyOneSlice(sides, line, {context.memory_bytes});
}

std::string JobOfLines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    const auto origin = offload::ReadLineOrigin(line);
    if (origin.ok()) return origin->job;
  }
  return "";
}

std::string JobOfPlan(storage::FileIO& file_io, const std::string& plan) {
  if (plan.empty()) return offload::kOffloadJob;
  const auto text = table::ReadPlan(file_io, plan);
  if (!text.ok()) return offload::kOffloadJob;
  const auto parsed = iceberg::ParseJson(*text);
  if (!parsed.ok()) return offload::kOffloadJob;
  return iceberg::JsonNode(*parsed).FindString("job", offload::kOffloadJob).ValueOr(offload::kOffloadJob);
}

Result<int> CommitJob(const TargetSide& side, const std::string& job, const JobLines& given, bool json,
                      Terminal& terminal) {
  if (job == maintain::kCompactJob) return CommitCompact(side, given, json, terminal);
  if (job == offload::kVerifyJob) return CommitVerify(side, given, json, terminal);
  return UnknownJob(job);
}

}  // namespace calve::cli
