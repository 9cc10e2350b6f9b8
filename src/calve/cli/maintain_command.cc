#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/maintain/orphan_removal.h"

namespace calve::cli {
namespace {

constexpr const char* kMaintainFooter = R"(Examples:
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --orphans --dry-run
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --orphans --older-than 7d --json

--orphans removes files below the table's data and metadata folders that its metadata does not refer to: what runs left
that were killed, and what belonged to expired snapshots. Only files older than --older-than are removed, because those
of a run that is still writing are referred to by nothing yet; choose it longer than any run of any engine takes.
Hidden files and the vN.metadata.json and version-hint.text of a hadoop catalog are left alone. Where any part of the
metadata cannot be read, nothing is removed. In an object store uploads of that age that were never finished are aborted.)";

struct MaintainFlags {
  TargetFlags target;
  OutputFlags output;
  std::vector<std::string> tables;
  std::string older_than = "3d";
  bool orphans = false, no_live_writers = false, dry_run = false;
};

struct TableOutcome {
  std::string table;
  Result<maintain::OrphanReport> report;
};

Result<int64_t> AgeMs(const MaintainFlags& flags) {
  ARROW_ASSIGN_OR_RAISE(const int64_t micros, ParseDuration(flags.older_than));
  if (micros / 1000 < maintain::kOrphanAgeMinMs && !flags.no_live_writers) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("--older-than {} is less than a day: files of a commit under way could be removed",
                                 flags.older_than),
                     "Choose 24h or more, or add --no-live-writers if nothing else writes to the table now.");
  }
  return micros / 1000;
}

Result<std::vector<TableOutcome>> Execute(const MaintainFlags& flags, StopToken& stop) {
  if (!flags.orphans) {
    return MakeError(ErrorKind::kConfig, "nothing to do was named", "Say what to do: --orphans.");
  }
  maintain::OrphanRequest request;
  ARROW_ASSIGN_OR_RAISE(request.age_min_ms, AgeMs(flags));
  ARROW_ASSIGN_OR_RAISE(const config::CatalogConfig catalog, CatalogConfigOf(flags.target));
  request.warehouse = WarehouseLocationOf(catalog);
  request.dry_run = flags.dry_run;
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, stop, /*read_only=*/true));
  std::vector<catalog::TableIdent> idents;
  for (const std::string& text : flags.tables) {
    ARROW_ASSIGN_OR_RAISE(auto ident, catalog::ParseTableIdent(text, flags.target.catalog_name));
    idents.push_back(std::move(ident));
  }
  std::vector<TableOutcome> outcomes;
  for (const catalog::TableIdent& ident : idents) {
    request.ident = ident;
    outcomes.push_back({ident.ToString(), maintain::RemoveOrphans(*side.catalog, *side.file_io, clock, stop, request)});
  }
  return outcomes;
}

Status StatusOf(const TableOutcome& outcome) {
  return outcome.report.ok() ? outcome.report->first_failure : outcome.report.status();
}

Json OutcomeJson(const TableOutcome& outcome, const MaintainFlags& flags) {
  Json json;
  json["table"] = outcome.table;
  if (outcome.report.ok()) {
    const maintain::OrphanReport& report = *outcome.report;
    const maintain::OrphanPlan& plan = report.plan;
    int64_t bytes = 0;
    Json locations = Json::array();
    for (const storage::FileInfo& file : plan.orphans) {
      bytes += file.size;
      locations.push_back(file.location);
    }
    json["orphans"] = {{"files", plan.orphans.size()},
                       {"bytes", bytes},
                       {"files_deleted", report.files_deleted},
                       {"bytes_deleted", report.bytes_deleted},
                       {"locations", locations}};
    json["kept"] = {{"referenced", plan.referenced},
                    {"young", plan.young},
                    {"in_doubt", plan.in_doubt},
                    {"left_alone", plan.left_alone}};
    json["listed"] = plan.listed;
    json["uploads"] = report.uploads;
    json["folders"] = report.folders;
    json["notes"] = report.notes;
  }
  json["dry_run"] = flags.dry_run;
  const Status status = StatusOf(outcome);
  if (!status.ok()) {
    json["error"] = ErrorJson(status);
  }
  return json;
}

void Print(const TableOutcome& outcome, const MaintainFlags& flags) {
  if (!outcome.report.ok()) return;
  const maintain::OrphanReport& report = *outcome.report;
  const maintain::OrphanPlan& plan = report.plan;
  int64_t bytes = 0;
  for (const storage::FileInfo& file : plan.orphans) {
    bytes += file.size;
    if (flags.dry_run || flags.output.verbose) std::printf("  %s\n", file.location.c_str());
  }
  const std::string head =
      flags.dry_run
          ? fmt::format("would remove {} orphans, {}", HumanCount(static_cast<int64_t>(plan.orphans.size())),
                        HumanBytes(bytes))
          : fmt::format("removed {} orphans, {}", HumanCount(report.files_deleted), HumanBytes(report.bytes_deleted));
  const std::string uploads = report.uploads == 0 ? "" : fmt::format(", {} unfinished uploads", report.uploads);
  std::printf("%s\n", fmt::format("{}: {}{}; kept {} referenced, {} younger than {}, {} in doubt, {} left alone",
                                  outcome.table, head, uploads, HumanCount(plan.referenced), HumanCount(plan.young),
                                  flags.older_than, HumanCount(plan.in_doubt), HumanCount(plan.left_alone))
                          .c_str());
}

int RunMaintain(const MaintainFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto outcomes = Execute(flags, stop);
  if (!outcomes.ok()) {
    terminal.Error(outcomes.status());
    return ExitCodeOf(outcomes.status(), stop);
  }
  Json json;
  json["tables"] = Json::array();
  int code = kExitDone;
  for (const TableOutcome& outcome : *outcomes) {
    const Status status = StatusOf(outcome);
    if (!status.ok()) {
      terminal.Error(WithContext(status, outcome.table));
      code = outcomes->size() == 1 || stop.stopped() ? ExitCodeOf(status, stop) : kExitSomeFailed;
    }
    if (outcome.report.ok()) {
      for (const std::string& note : outcome.report->notes) terminal.Warn(fmt::format("{}: {}", outcome.table, note));
    }
    if (flags.output.json) {
      json["tables"].push_back(OutcomeJson(outcome, flags));
    } else {
      Print(outcome, flags);
    }
  }
  if (flags.output.json) {
    PrintJson(json);
  }
  return code;
}

}  // namespace

void AddMaintainCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<MaintainFlags>();
  CLI::App* command = app.add_subcommand("maintain", "Removes files that no table refers to any more");
  command->add_option("--target-table", flags->tables, "Iceberg table: namespace.table; repeatable")->required();
  command->add_flag("--orphans", flags->orphans, "remove files that the table's metadata does not refer to");
  command->add_option("--older-than", flags->older_than, "leave files alone that are not older; at least 24h")
      ->capture_default_str();
  command->add_flag("--no-live-writers", flags->no_live_writers,
                    "nothing else writes to the table now: allow an --older-than of less than 24h");
  command->add_flag("--dry-run", flags->dry_run, "say what would be removed, and remove nothing");
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kMaintainFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunMaintain(*flags, stop); }; });
}

}  // namespace calve::cli
