#include <cstdio>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/maintain_output.h"
#include "calve/cli/session.h"

namespace calve::cli {
namespace {

constexpr const char* kMaintainFooter = R"(Examples:
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --compact --manifests
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --expire --keep-snapshots 100 --dry-run
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --orphans --older-than 7d --json

Several of these may be asked for at once; they are done in this order.

--compact writes small data files of a partition (below three quarters of --target-size) anew as fewer large ones, where
there are --min-files of them or they hold more than one large file. Rows that delete files take out are left out; rows
are sorted where the table has a sort order and a quarter of --memory holds those of a group. What was written is read
back, and committed only if count and content of the rows are the same; files that others changed meanwhile stay as they
are. The old files go when --expire ends the snapshots that have them. Files of an older partition spec are left alone,
and so are tables of format version 3.

--manifests joins small manifests, five or more, and puts their entries into the order of partitions, so that a reader
opens few of them. Rows, files and their sequence numbers stay as they are, and the watermark where it is.

--expire ends snapshots that are older than --snapshots-older-than, as Iceberg's retention policy has it: of every
branch the newest --keep-snapshots stay, and what branches, tags and the table's history.expire.* properties say of
themselves. What calve reads its watermark from stays: main back to its newest window. Files that only expired snapshots
refer to are deleted once the commit is proven; a table with gc.enabled=false is refused.

--orphans removes files below the table's data and metadata folders that its metadata does not refer to: what runs left
that were killed, and what belonged to expired snapshots. Only files older than --older-than are removed, because those
of a run that is still writing are referred to by nothing yet; choose it longer than any run of any engine takes.
Hidden files and the vN.metadata.json and version-hint.text of a hadoop catalog are left alone. Where any part of the
metadata cannot be read, nothing is removed. In an object store uploads of that age that were never finished are aborted.)";

struct MaintainFlags {
  TargetFlags target;
  OutputFlags output;
  std::vector<std::string> tables;
  bool compact = false, manifests = false, expire = false, orphans = false;
  std::string target_size, memory = "512MiB";
  std::optional<int64_t> min_files;
  std::string snapshots_older_than;
  std::optional<int64_t> keep_snapshots;
  std::string older_than = "3d";
  bool no_live_writers = false, dry_run = false;
};

// What is to be done to each table.
struct MaintainPlan {
  std::optional<maintain::CompactionRequest> compact;
  bool manifests = false;
  std::optional<maintain::ExpiryRequest> expire;
  std::optional<maintain::OrphanRequest> orphans;
};

struct TableOutcome {
  std::string table;
  Json json;
  Lines lines;
  std::vector<std::string> notes;
  Status status;  // the first that is not OK; what stands behind it in the order was not begun
};

Result<int64_t> OrphanAgeMs(const MaintainFlags& flags) {
  ARROW_ASSIGN_OR_RAISE(const int64_t micros, ParseDuration(flags.older_than));
  if (micros / 1000 < maintain::kOrphanAgeMinMs && !flags.no_live_writers) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("--older-than {} is less than a day: files of a commit under way could be removed",
                                 flags.older_than),
                     "Choose 24h or more, or add --no-live-writers if nothing else writes to the table now.");
  }
  return micros / 1000;
}

Result<maintain::CompactionRequest> CompactionOf(const MaintainFlags& flags) {
  maintain::CompactionRequest request;
  request.dry_run = flags.dry_run;
  if (!flags.target_size.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.target_bytes, ParseBytes(flags.target_size));
    if (*request.target_bytes < 1) {
      return MakeError(ErrorKind::kConfig, "--target-size 0: files must have some size", "Say 512MB, or leave it out.");
    }
  }
  if (flags.min_files) {
    if (*flags.min_files < 2) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("--min-files {}: one file alone is not written anew", *flags.min_files),
                       "Say 2 or more.");
    }
    request.files_min = static_cast<size_t>(*flags.min_files);
  }
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  return request;
}

Result<MaintainPlan> PlanOf(const MaintainFlags& flags) {
  MaintainPlan plan;
  plan.manifests = flags.manifests;
  if (!flags.compact && !flags.manifests && !flags.expire && !flags.orphans) {
    return MakeError(ErrorKind::kConfig, "nothing to do was named",
                     "Say what to do: --compact, --manifests, --expire, --orphans.");
  }
  if (!flags.compact && (!flags.target_size.empty() || flags.min_files)) {
    return MakeError(ErrorKind::kConfig, "--target-size and --min-files say what --compact is to do", "Add --compact.");
  }
  if (flags.compact) {
    ARROW_ASSIGN_OR_RAISE(plan.compact, CompactionOf(flags));
  }
  if (!flags.expire && (!flags.snapshots_older_than.empty() || flags.keep_snapshots)) {
    return MakeError(ErrorKind::kConfig, "--snapshots-older-than and --keep-snapshots say what --expire is to do",
                     "Add --expire.");
  }
  if (flags.expire) {
    plan.expire.emplace();
    plan.expire->dry_run = flags.dry_run;
    plan.expire->snapshots_min = flags.keep_snapshots;
    if (flags.keep_snapshots && *flags.keep_snapshots < 1) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("--keep-snapshots {}: one is always kept", *flags.keep_snapshots), "Say 1 or more.");
    }
    if (!flags.snapshots_older_than.empty()) {
      ARROW_ASSIGN_OR_RAISE(const int64_t micros, ParseDuration(flags.snapshots_older_than));
      plan.expire->snapshot_age_max_ms = micros / 1000;
    }
  }
  if (flags.orphans) {
    plan.orphans.emplace();
    plan.orphans->dry_run = flags.dry_run;
    ARROW_ASSIGN_OR_RAISE(plan.orphans->age_min_ms, OrphanAgeMs(flags));
  }
  return plan;
}

// One table, one action after the other, until one fails.
class Maintainer {
 public:
  Maintainer(const MaintainFlags& flags, TargetSide& side, const Clock& clock, const StopToken& stop)
      : flags_(flags), side_(side), clock_(clock), stop_(stop) {
    options_ = {flags.dry_run, flags.dry_run || flags.output.verbose, flags.older_than};
  }

  TableOutcome Run(const catalog::TableIdent& ident, const MaintainPlan& plan) {
    outcome_ = {ident.ToString(), {}, {}, {}, Status::OK()};
    outcome_.json["table"] = outcome_.table;
    outcome_.status = Do(ident, plan);
    outcome_.json["dry_run"] = flags_.dry_run;
    if (!outcome_.status.ok()) outcome_.json["error"] = ErrorJson(outcome_.status);
    return std::move(outcome_);
  }

 private:
  Status Do(const catalog::TableIdent& ident, const MaintainPlan& plan) {
    // Orphan removal changes nothing of what these tell.
    const bool states = plan.compact || plan.manifests || plan.expire;
    if (states) ARROW_RETURN_NOT_OK(PutState(ident, "before"));
    if (plan.compact) {
      maintain::CompactionRequest request = *plan.compact;
      request.ident = ident;
      ARROW_ASSIGN_OR_RAISE(const auto report,
                            maintain::CompactFiles(*side_.catalog, *side_.file_io, clock_, stop_, request));
      outcome_.json["compact"] = CompactionJson(report);
      Tell({CompactionText(report, options_)}, report.notes);
    }
    if (plan.manifests) {
      ARROW_ASSIGN_OR_RAISE(const auto report, maintain::RewriteManifests(*side_.catalog, *side_.file_io, clock_, stop_,
                                                                          ident, flags_.dry_run));
      outcome_.json["manifests"] = ManifestsJson(report);
      Tell({ManifestsText(report, options_)}, {});
    }
    if (plan.expire) {
      maintain::ExpiryRequest request = *plan.expire;
      request.ident = ident;
      ARROW_ASSIGN_OR_RAISE(const auto report,
                            maintain::ExpireSnapshots(*side_.catalog, *side_.file_io, clock_, stop_, request));
      outcome_.json["expire"] = ExpiryJson(report);
      Tell(ExpiryText(report, options_), report.notes);
      ARROW_RETURN_NOT_OK(report.first_failure);
    }
    if (states) ARROW_RETURN_NOT_OK(PutState(ident, "after"));
    if (plan.orphans) {
      maintain::OrphanRequest request = *plan.orphans;
      request.ident = ident;
      ARROW_ASSIGN_OR_RAISE(const auto report,
                            maintain::RemoveOrphans(*side_.catalog, *side_.file_io, clock_, stop_, request));
      PutOrphans(report, outcome_.json);
      Tell(OrphansText(report, options_), report.notes);
      ARROW_RETURN_NOT_OK(report.first_failure);
    }
    return Status::OK();
  }

  Status PutState(const catalog::TableIdent& ident, const char* when) {
    ARROW_ASSIGN_OR_RAISE(const auto table, side_.catalog->LoadTable(ident));
    ARROW_ASSIGN_OR_RAISE(const auto state, maintain::DescribeTable(*side_.file_io, table.metadata));
    outcome_.json[when] = StateJson(state);
    outcome_.lines.push_back(fmt::format("{}: {}", when, StateText(state)));
    return Status::OK();
  }

  void Tell(Lines lines, const std::vector<std::string>& notes) {
    outcome_.lines.insert(outcome_.lines.end(), lines.begin(), lines.end());
    outcome_.notes.insert(outcome_.notes.end(), notes.begin(), notes.end());
  }

  const MaintainFlags& flags_;
  TargetSide& side_;
  const Clock& clock_;
  const StopToken& stop_;
  MaintainOutputOptions options_;
  TableOutcome outcome_;
};

Result<std::vector<TableOutcome>> MaintainTables(const MaintainFlags& flags, StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(MaintainPlan plan, PlanOf(flags));
  ARROW_ASSIGN_OR_RAISE(const config::CatalogConfig catalog, CatalogConfigOf(flags.target));
  if (plan.orphans) plan.orphans->warehouse = WarehouseLocationOf(catalog);
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, stop, /*read_only=*/true));
  std::vector<catalog::TableIdent> idents;
  for (const std::string& text : flags.tables) {
    ARROW_ASSIGN_OR_RAISE(auto ident, catalog::ParseTableIdent(text, flags.target.catalog_name));
    idents.push_back(std::move(ident));
  }
  Maintainer maintainer(flags, side, clock, stop);
  std::vector<TableOutcome> outcomes;
  for (const catalog::TableIdent& ident : idents) outcomes.push_back(maintainer.Run(ident, plan));
  return outcomes;
}

int RunMaintain(const MaintainFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto outcomes = MaintainTables(flags, stop);
  if (!outcomes.ok()) {
    terminal.Error(outcomes.status());
    return ExitCodeOf(outcomes.status(), stop);
  }
  Json json;
  json["tables"] = Json::array();
  int code = kExitDone;
  for (const TableOutcome& outcome : *outcomes) {
    if (!outcome.status.ok()) {
      terminal.Error(WithContext(outcome.status, outcome.table));
      code = outcomes->size() == 1 || stop.stopped() ? ExitCodeOf(outcome.status, stop) : kExitSomeFailed;
    }
    for (const std::string& note : outcome.notes) terminal.Warn(fmt::format("{}: {}", outcome.table, note));
    json["tables"].push_back(outcome.json);
    if (flags.output.json) continue;
    for (const std::string& line : outcome.lines) {
      std::printf("%s%s\n", line.starts_with("  ") ? "" : (outcome.table + ": ").c_str(), line.c_str());
    }
  }
  if (flags.output.json) PrintJson(json);
  return code;
}

}  // namespace

void AddMaintainCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<MaintainFlags>();
  CLI::App* command =
      app.add_subcommand("maintain", "Compacts data files, joins manifests, expires snapshots, removes orphans");
  command->add_option("--target-table", flags->tables, "Iceberg table: namespace.table; repeatable")->required();
  command->add_flag("--compact", flags->compact, "write small data files anew as fewer large ones");
  command->add_option("--target-size", flags->target_size,
                      "of --compact: a file's size; without it the table's write.target-file-size-bytes, or 512MiB");
  command->add_option("--min-files", flags->min_files,
                      fmt::format("of --compact: so many small files are worth it [{}]", maintain::kCompactFilesMin));
  command->add_option("--memory", flags->memory, "of --compact: for sorting and for files that are written")
      ->capture_default_str();
  command->add_flag("--manifests", flags->manifests, "join small manifests, where there are five or more");
  command->add_flag("--expire", flags->expire, "end old snapshots, and delete what only they refer to");
  command->add_option("--snapshots-older-than", flags->snapshots_older_than,
                      "end snapshots that are older; without it the table's history.expire.max-snapshot-age-ms, or 5d");
  command->add_option("--keep-snapshots", flags->keep_snapshots,
                      "keep as many of every branch, however old; without it the table's "
                      "history.expire.min-snapshots-to-keep, or 1");
  command->add_flag("--orphans", flags->orphans, "remove files that the table's metadata does not refer to");
  command
      ->add_option("--older-than", flags->older_than,
                   "of --orphans: leave files alone that are not older; at least 24h")
      ->capture_default_str();
  command->add_flag("--no-live-writers", flags->no_live_writers,
                    "nothing else writes to the table now: allow an --older-than of less than 24h");
  command->add_flag("--dry-run", flags->dry_run, "say what would be done, and do nothing");
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kMaintainFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunMaintain(*flags, stop); }; });
}

}  // namespace calve::cli
