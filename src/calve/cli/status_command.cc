#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/session.h"
#include "calve/config/load_config.h"
#include "calve/offload/watermark.h"

namespace calve::cli {
namespace {

constexpr const char* kStatusFooter = R"(Examples:
  calve status --warehouse file:///srv/cold
  calve status --warehouse file:///srv/cold --target-table cold.bronze_trades --json
  calve status --config calve.yaml
  calve status --warehouse file:///srv/cold --state postgresql://reader@db/platform

Watermark, rows, files and bytes come from the tables themselves; only the last run is the journal's.)";

struct StatusFlags {
  TargetFlags target;
  OutputFlags output;
  std::vector<std::string> tables;
  std::string config;
};

struct TableStatus {
  std::string table;
  std::optional<offload::Watermark> watermark;
  std::optional<int64_t> snapshot_id;
  std::string rows, files, bytes;  // of the tip's summary; empty where it does not say
  size_t snapshots = 0;
  std::optional<journal::RunRecord> last_run;
  Status error;
};

std::string SummaryOf(const iceberg::Snapshot* snapshot, const char* key) {
  if (!snapshot) return "0";
  auto found = snapshot->summary.find(key);
  return std::string(found == snapshot->summary.end() ? "" : found->second);
}

TableStatus Look(TargetSide& side, const catalog::TableIdent& ident) {
  TableStatus status;
  status.table = ident.ToString();
  auto loaded = side.catalog->LoadTable(ident);
  status.error = ExplainMissingTable(loaded.status(), ident, *side.catalog);
  if (!loaded.ok()) return status;
  const iceberg::Snapshot* tip = loaded->metadata.CurrentSnapshot();
  if (tip) status.snapshot_id = tip->snapshot_id;
  status.rows = SummaryOf(tip, "total-records");
  status.files = SummaryOf(tip, "total-data-files");
  status.bytes = SummaryOf(tip, "total-files-size");
  status.snapshots = loaded->metadata.snapshots.size();
  auto watermark = offload::ReadWatermark(loaded->metadata);
  status.error = watermark.status();
  if (watermark.ok()) status.watermark = *watermark;
  if (side.journal) {
    auto runs = side.journal->LastRuns(status.table, 1);
    if (runs.ok() && !runs->empty()) status.last_run = runs->front();
  }
  return status;
}

Result<std::vector<catalog::TableIdent>> Tables(TargetSide& side, const StatusFlags& flags) {
  std::vector<catalog::TableIdent> idents;
  for (const std::string& text : flags.tables) {
    ARROW_ASSIGN_OR_RAISE(auto ident, catalog::ParseTableIdent(text, flags.target.catalog_name));
    idents.push_back(std::move(ident));
  }
  if (!idents.empty()) return idents;
  ARROW_ASSIGN_OR_RAISE(auto namespaces, side.catalog->ListNamespaces());
  for (const auto& levels : namespaces) {
    ARROW_ASSIGN_OR_RAISE(auto tables, side.catalog->ListTables(levels));
    idents.insert(idents.end(), tables.begin(), tables.end());
  }
  return idents;
}

Json NumberOrNull(const std::string& text) {
  int64_t value = 0;
  return std::sscanf(text.c_str(), "%ld", &value) == 1 ? Json(value) : Json(nullptr);
}

Json StatusJson(const TableStatus& s, TimestampMicros now) {
  Json json;
  json["table"] = s.table;
  json["watermark"] = s.watermark ? Json(FormatTimestamp(s.watermark->stamp.window_to)) : Json(nullptr);
  json["lag_seconds"] =
      s.watermark ? Json(static_cast<double>(now - s.watermark->stamp.window_to) / 1e6) : Json(nullptr);
  json["source"] = s.watermark ? Json(offload::SourceTableOf(s.watermark->stamp.source)) : Json(nullptr);
  json["snapshot_id"] = s.snapshot_id ? Json(*s.snapshot_id) : Json(nullptr);
  json["snapshots"] = s.snapshots;
  json["rows"] = NumberOrNull(s.rows);
  json["files"] = NumberOrNull(s.files);
  json["bytes"] = NumberOrNull(s.bytes);
  json["last_run"] = nullptr;
  if (s.last_run) {
    const journal::RunRecord& r = *s.last_run;
    json["last_run"] = {{"run_id", r.run_id},
                        {"status", r.status},
                        {"started_at", FormatTimestamp(r.started_at)},
                        {"finished_at", r.finished_at ? Json(FormatTimestamp(*r.finished_at)) : Json(nullptr)},
                        {"rows", r.rows},
                        {"error", r.error}};
  }
  if (!s.error.ok()) json["error"] = {{"message", MessageOf(s.error)}, {"remedy", RemedyOf(s.error)}};
  return json;
}

void PrintTable(const std::vector<TableStatus>& tables, TimestampMicros now) {
  std::vector<std::vector<std::string>> rows = {
      {"TABLE", "WATERMARK", "LAG", "ROWS", "FILES", "BYTES", "SNAPSHOTS", "LAST RUN"}};
  for (const TableStatus& s : tables) {
    auto count = [](const std::string& text) {
      return text.empty() ? std::string("?") : HumanCount(std::atoll(text.c_str()));
    };
    std::string run = s.last_run ? fmt::format("{} {}", s.last_run->status,
                                               FormatTimestamp(s.last_run->started_at).substr(0, 19) + "Z")
                                 : "-";
    rows.push_back({s.table, s.watermark ? FormatTimestamp(s.watermark->stamp.window_to) : "-",
                    s.watermark ? HumanSeconds(static_cast<double>(now - s.watermark->stamp.window_to) / 1e6) : "-",
                    count(s.rows), count(s.files), s.bytes.empty() ? "?" : HumanBytes(std::atoll(s.bytes.c_str())),
                    std::to_string(s.snapshots), run});
  }
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      bool number = i >= 2 && i <= 6;
      line += number ? fmt::format("{:>{}}  ", row[i], widths[i]) : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

// With the targets of a configuration as the tables to show, where one is named.
Result<TargetSide> Open(const StatusFlags& flags, const Clock& clock, const StopToken& stop,
                        std::vector<catalog::TableIdent>& idents) {
  if (flags.config.empty()) {
    if (flags.target.warehouse.empty() && !catalog::IsRestCatalog(flags.target.catalog)) {
      return MakeError(ErrorKind::kConfig, "--warehouse is missing", "calve status --help has examples.");
    }
    return OpenTargetSide(flags.target, clock, stop, /*read_only=*/true);
  }
  ARROW_ASSIGN_OR_RAISE(const auto config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
  for (const config::TableConfig& table : config.tables) idents.push_back(table.target);
  return OpenTargetSide(config, clock, stop, /*read_only=*/true);
}

Result<std::vector<TableStatus>> Collect(const StatusFlags& flags, const StopToken& stop, Terminal& terminal) {
  SystemClock clock;
  std::vector<catalog::TableIdent> idents;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, Open(flags, clock, stop, idents));
  if (!side.journal && !side.journal_error.ok())
    terminal.Warn(fmt::format("the journal could not be opened: {}", MessageOf(side.journal_error)));
  if (idents.empty() || !flags.tables.empty()) {
    ARROW_ASSIGN_OR_RAISE(idents, Tables(side, flags));
  }
  std::vector<TableStatus> tables;
  for (const auto& ident : idents) tables.push_back(Look(side, ident));
  return tables;
}

int RunStatus(const StatusFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto tables = Collect(flags, stop, terminal);
  if (!tables.ok()) {
    terminal.Error(tables.status());
    return ExitCodeOf(tables.status(), stop);
  }
  TimestampMicros now = SystemClock().Now();
  int code = kExitDone;
  for (const TableStatus& s : *tables) {
    if (s.error.ok()) continue;
    terminal.Error(WithContext(s.error, s.table));
    code = tables->size() == 1 ? ExitCodeOf(s.error, stop) : kExitSomeFailed;
  }
  if (flags.output.json) {
    Json json;
    json["tables"] = Json::array();
    for (const TableStatus& s : *tables) json["tables"].push_back(StatusJson(s, now));
    PrintJson(json);
  } else {
    PrintTable(*tables, now);
  }
  return code;
}

}  // namespace

void AddStatusCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<StatusFlags>();
  CLI::App* command = app.add_subcommand("status", "Watermark, lag, last run, rows, files and bytes of each table");
  command->add_option("--target-table", flags->tables, "this table only; repeatable");
  command->add_option("--config", flags->config, "the tables of this configuration file, in its order");
  AddTargetFlags(*command, flags->target);
  command->get_option("--warehouse")->required(false);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kStatusFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunStatus(*flags, stop); }; });
}

}  // namespace calve::cli
