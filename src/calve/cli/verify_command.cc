#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/offload/repair.h"

namespace calve::cli {
namespace {

using fingerprint::FindingKind;

constexpr const char* kFooter = R"(Examples:
  calve verify --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades --timestamp-col exchange_timestamp
                                     everything up to the watermark, hour by hour
  calve verify … --from 2024-08-09 --to 2024-08-10
                                     one day: rows with from <= timestamp < to
  calve verify … --key exchange,sequence_number --rows 3
                                     tells changed rows from missing ones, and shows three of each kind
  calve verify … --sample 1% --seed 7
                                     of a huge table, one bucket in a hundred
  calve verify … --repair            mends what differs: adds missing rows, replaces changed and removes doubled ones
  calve verify --cold-only --warehouse file:///srv/cold --target-table cold.bronze_trades --key trade_id
                                     rows that are twice in the cold table; no ClickHouse is asked

Both sides are read in full, the cold one from its Parquet files. Give --expr, --type and --exclude as the offload had them.
Rows that only cold has are no difference where hot may have let them go (it has a TTL, or no row of that bucket): --strict
makes them one. docs/verify.md explains the output.
With --repair, rows that only cold has are left alone, and the exit code tells what is left.
Exit codes: 0 equal, 3 a difference, 1 failed, 2 bad usage or configuration, 130/143 stopped by a signal.)";

struct VerifyFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string source_table, target_table, timestamp_col, from, to, bucket = "hour", sample = "100%", memory = "512MiB";
  std::vector<std::string> key, types, expressions, excluded;
  uint64_t seed = 0;
  int64_t rows = 0;
  bool strict = false, cold_only = false, repair = false;
  std::string lease = "10m";
};

void AddTableFlags(CLI::App& command, VerifyFlags& flags) {
  const char* group = "Table";
  command.add_option("--source-table", flags.source_table, "ClickHouse table: table or db.table")
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command.add_option("--target-table", flags.target_table, "Iceberg table: namespace.table")
      ->required()
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command.add_option("--timestamp-col", flags.timestamp_col, "the cursor that the table was offloaded by")
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command
      .add_option(
          "--key", flags.key,
          "columns that tell rows apart: a,b (default: the sorting key of a table that ClickHouse merges by it, "
          "else whole rows)")
      ->delimiter(',')
      ->group(group);
  command
      .add_option("--expr", flags.expressions, "ClickHouse expression of a column, as offloaded: NAME=SQL; repeatable")
      ->group(group);
  command.add_option("--type", flags.types, "Iceberg type of a column, as offloaded: NAME=TYPE; repeatable")
      ->group(group);
  command.add_option("--exclude", flags.excluded, "do not compare this column; repeatable")->group(group);
}

void AddRangeFlags(CLI::App& command, VerifyFlags& flags) {
  const char* group = "Range";
  command.add_option("--from", flags.from, "rows from this time on: 2024-08-09T00:00:00Z (default: all)")->group(group);
  command.add_option("--to", flags.to, "rows before this time (default, and at most: up to the watermark)")
      ->group(group);
  command.add_option("--bucket", flags.bucket, "compare by hour or by day")
      ->check(CLI::IsMember({"hour", "day"}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--sample", flags.sample, "compare this share of the buckets: 5%")
      ->capture_default_str()
      ->group(group);
  command.add_option("--seed", flags.seed, "which buckets a sample takes; the same seed takes the same ones")
      ->capture_default_str()
      ->group(group);
  command.add_option("--rows", flags.rows, "show so many example rows of each kind and bucket")
      ->check(CLI::Range(int64_t{0}, int64_t{1000}))
      ->capture_default_str()
      ->group(group);
  command.add_flag("--strict", flags.strict, "what only cold has is a difference as well")->group(group);
  command.add_flag("--cold-only", flags.cold_only, "look for rows that are twice in the cold table; needs no source")
      ->group(group);
  command
      .add_flag("--repair", flags.repair,
                "mend what differs, in a snapshot of its own: missing rows are added, changed ones (by key) replaced, "
                "doubled ones removed")
      ->group(group);
  command.add_option("--lease", flags.lease, "with --repair: others keep away for so long; 0: no lease")
      ->envname("CALVE_LEASE")
      ->capture_default_str()
      ->group(group);
  command.add_option("--memory", flags.memory, "for rows on their way and row hashes; more rows take more passes")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(group);
}

// "5%" or "5": 0.05.
Result<double> ParseShare(const std::string& text) {
  char* end = nullptr;
  double percent = std::strtod(text.c_str(), &end);
  bool whole = end != text.c_str() && (*end == '\0' || std::string_view(end) == "%");
  if (!whole || !(percent > 0 && percent <= 100)) {
    return MakeError(ErrorKind::kConfig, fmt::format("--sample '{}' is no share of the buckets", text),
                     "Write it as 5% or 0.1%.");
  }
  return percent / 100;
}

Status CheckFlags(const VerifyFlags& flags) {
  auto missing = [](const char* option) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} is missing", option), "calve verify --help has examples.");
  };
  if (flags.cold_only) return Status::OK();
  if (flags.source.url.empty()) return missing("--source");
  if (flags.source_table.empty()) return missing("--source-table");
  if (flags.timestamp_col.empty()) return missing("--timestamp-col");
  return Status::OK();
}

Result<offload::VerifyRequest> RequestOf(const VerifyFlags& flags) {
  ARROW_RETURN_NOT_OK(CheckFlags(flags));
  offload::VerifyRequest request;
  request.source_table = flags.source_table;
  ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  request.timestamp_column = flags.timestamp_col;
  request.key = flags.key;
  ARROW_ASSIGN_OR_RAISE(request.columns.types, ParseTypes(flags.types));
  ARROW_ASSIGN_OR_RAISE(request.columns.expressions, ParsePairs("--expr", flags.expressions));
  request.columns.excluded = flags.excluded;
  if (!flags.from.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.from, ParseTimestamp(flags.from));
  }
  if (!flags.to.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.to, ParseTimestamp(flags.to));
  }
  request.bucket_micros = flags.bucket == "day" ? kMicrosPerDay : 3'600 * kMicrosPerSecond;
  ARROW_ASSIGN_OR_RAISE(request.sample, ParseShare(flags.sample));
  request.seed = flags.seed;
  request.example_rows = flags.rows;
  request.strict = flags.strict;
  request.cold_only = flags.cold_only;
  request.whole_rows = flags.repair;
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", flags.source.settings));
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  return request;
}

Json TimeOrNull(const std::optional<TimestampMicros>& time) {
  return time ? Json(FormatTimestamp(*time)) : Json(nullptr);
}

const char* KindName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kMissing:
      return "missing";
    case FindingKind::kExtra:
      return "extra";
    case FindingKind::kChanged:
      return "changed";
    case FindingKind::kDuplicate:
      return "duplicate";
    case FindingKind::kDefaulted:
      break;
  }
  return "defaulted";
}

Json ExampleJson(const offload::ExampleRow& example) {
  Json json = {{"kind", KindName(example.kind)}};
  json["row"] = Json::object();
  for (const auto& [column, value] : example.key) json["row"][column] = value;
  if (!example.differs.empty()) {
    json["differs"] = Json::object();
    for (const auto& values : example.differs) {
      json["differs"][values.column] = {{"hot", values.hot}, {"cold", values.cold}};
    }
  }
  return json;
}

Json BucketJson(const offload::BucketResult& b, bool has_bucket, bool cold_only) {
  Json json;
  json["bucket"] = has_bucket ? Json(FormatTimestamp(b.start)) : Json(nullptr);
  json["different"] = b.different;
  json["rows"] = cold_only ? Json(nullptr) : Json{{"hot", b.rows_hot}, {"cold", b.rows_cold}};
  json["missing"] = b.missing;
  json["extra"] = b.extra;
  json["extra_allowed"] = b.extra_allowed;
  json["changed"] = b.changed;
  json["duplicates"] = b.duplicates;
  json["defaulted"] = b.defaulted;
  json["columns"] = b.columns;
  json["examples"] = Json::array();
  for (const auto& example : b.examples) json["examples"].push_back(ExampleJson(example));
  return json;
}

struct Totals {
  int64_t missing = 0, extra = 0, extra_allowed = 0, changed = 0, duplicates = 0, defaulted = 0, different = 0;
};

Totals Sum(const offload::VerifyResult& r) {
  Totals t;
  for (const auto& b : r.differences) {
    t.missing += b.missing;
    (b.extra_allowed ? t.extra_allowed : t.extra) += b.extra;
    t.changed += b.changed;
    t.duplicates += b.duplicates;
    t.defaulted += b.defaulted;
    t.different += b.different ? 1 : 0;
  }
  return t;
}

Json ResultJson(const offload::VerifyResult& r, const VerifyFlags& flags, int code) {
  const Totals t = Sum(r);
  const bool has_bucket = !flags.timestamp_col.empty();
  Json json;
  json["table"] = flags.cold_only ? Json(nullptr) : Json(r.table);
  json["target"] = r.target;
  json["equal"] = r.equal();
  json["snapshot_id"] = r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr);
  json["watermark"] = TimeOrNull(r.watermark);
  json["range"] = {{"from", TimeOrNull(r.from)}, {"up_to", TimeOrNull(r.up_to)}};
  json["bucket"] = has_bucket ? Json(flags.bucket) : Json(nullptr);
  json["buckets"] = {{"compared", r.buckets}, {"different", t.different}};
  json["rows"] = {{"hot", r.rows_hot}, {"cold", r.rows_cold}};
  json["missing"] = t.missing;
  json["extra"] = t.extra;
  json["extra_allowed"] = t.extra_allowed;
  json["changed"] = t.changed;
  json["duplicates"] = t.duplicates;
  json["defaulted"] = t.defaulted;
  json["rows_null_cursor"] = r.rows_null_cursor;
  json["key"] = r.key;
  json["columns"] = r.columns;
  json["columns_not_compared"] = r.columns_not_compared;
  json["differences"] = Json::array();
  for (const auto& b : r.differences) json["differences"].push_back(BucketJson(b, has_bucket, flags.cold_only));
  json["notes"] = r.notes;
  json["duration_seconds"] = r.seconds;
  json["rows_per_second"] = r.seconds > 0 ? static_cast<double>(std::max(r.rows_hot, r.rows_cold)) / r.seconds : 0.0;
  json["exit_code"] = code;
  return json;
}

std::string ExampleText(const offload::ExampleRow& example) {
  std::string text = fmt::format("      {:<9}", KindName(example.kind));
  for (const auto& [column, value] : example.key) text += fmt::format(" {}={}", column, value);
  for (const auto& v : example.differs) text += fmt::format("  {}: hot {}, cold {}", v.column, v.hot, v.cold);
  // Values are anybody's: none of them may steer the terminal or look like a line of ours.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

constexpr size_t kBucketsPrintedMax = 100;

void PrintBuckets(const offload::VerifyResult& r, bool has_bucket, bool cold_only) {
  auto rows = [&](int64_t count) { return cold_only ? std::string("-") : HumanCount(count); };
  std::printf("  %-20s  %12s  %12s  %9s  %9s  %9s  %9s  %s\n", "BUCKET", "HOT", "COLD", "MISSING", "EXTRA", "CHANGED",
              "DOUBLED", "COLUMNS");
  size_t printed = 0;
  for (const auto& b : r.differences) {
    if (++printed > kBucketsPrintedMax) {
      std::printf("  and %zu buckets more (--json has them all)\n", r.differences.size() - kBucketsPrintedMax);
      return;
    }
    std::string columns;
    for (const auto& name : b.columns) columns += (columns.empty() ? "" : ", ") + name;
    if (!b.different) columns += fmt::format("{}(allowed)", columns.empty() ? "" : " ");
    std::string start = has_bucket ? FormatTimestamp(b.start).substr(0, 19) + "Z" : "all";
    std::printf("  %-20s  %12s  %12s  %9s  %9s  %9s  %9s  %s\n", start.c_str(), rows(b.rows_hot).c_str(),
                rows(b.rows_cold).c_str(), HumanCount(b.missing).c_str(), HumanCount(b.extra).c_str(),
                HumanCount(b.changed + b.defaulted).c_str(), HumanCount(b.duplicates).c_str(), columns.c_str());
    for (const auto& example : b.examples) std::printf("%s\n", ExampleText(example).c_str());
  }
}

void PrintResult(const offload::VerifyResult& r, const VerifyFlags& flags) {
  const Totals t = Sum(r);
  double rate = r.seconds > 0 ? static_cast<double>(std::max(r.rows_hot, r.rows_cold)) / r.seconds : 0;
  std::string up_to = r.up_to ? FormatTimestamp(*r.up_to) : "the end";
  std::string range = fmt::format("{} to {}", r.from ? FormatTimestamp(*r.from) : "the beginning", up_to);
  if (flags.cold_only) {
    std::printf("%s: %s rows in %s (%s rows/s)\n  range      %s\n", r.target.c_str(), HumanCount(r.rows_cold).c_str(),
                HumanSeconds(r.seconds).c_str(), HumanRate(rate).c_str(), range.c_str());
  } else {
    std::printf("%s = %s? %s rows hot, %s cold, %s buckets in %s (%s rows/s)\n  range      %s\n", r.table.c_str(),
                r.target.c_str(), HumanCount(r.rows_hot).c_str(), HumanCount(r.rows_cold).c_str(),
                HumanCount(r.buckets).c_str(), HumanSeconds(r.seconds).c_str(), HumanRate(rate).c_str(), range.c_str());
  }
  if (!r.differences.empty()) PrintBuckets(r, !flags.timestamp_col.empty(), flags.cold_only);
  std::string verdict = flags.cold_only ? "no row is there twice" : "equal";
  if (t.different > 0) {
    verdict = fmt::format("DIFFERENT in {} bucket{}: {} missing, {} extra, {} changed, {} doubled", t.different,
                          t.different == 1 ? "" : "s", HumanCount(t.missing), HumanCount(t.extra),
                          HumanCount(t.changed), HumanCount(t.duplicates));
  }
  if (t.extra_allowed > 0) verdict += fmt::format("; {} rows that hot has let go", HumanCount(t.extra_allowed));
  if (t.defaulted > 0) verdict += fmt::format("; {} rows older than a column", HumanCount(t.defaulted));
  std::printf("  verdict    %s\n", verdict.c_str());
}

// What was done about it, and what is left.
struct Outcome {
  offload::VerifyResult result;
  std::optional<offload::RepairResult> repair;
};

Json RepairJson(const offload::RepairResult& r) {
  const Totals t = Sum(r.before);
  return {
      {"rows_added", r.rows_added},
      {"rows_removed", r.rows_removed},
      {"files_added", r.files_added},
      {"files_removed", r.files_removed},
      {"snapshot_id", r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr)},
      {"before", {{"missing", t.missing}, {"extra", t.extra}, {"changed", t.changed}, {"duplicates", t.duplicates}}},
      {"notes", r.notes}};
}

void PrintRepair(const offload::RepairResult& r) {
  std::printf("  repaired   %s rows added, %s removed; %s files written, %s replaced\n",
              HumanCount(r.rows_added).c_str(), HumanCount(r.rows_removed).c_str(), HumanCount(r.files_added).c_str(),
              HumanCount(r.files_removed).c_str());
}

Result<Outcome> Execute(const VerifyFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(offload::VerifyRequest request, RequestOf(flags));
  ARROW_ASSIGN_OR_RAISE(int64_t lease, ParseDuration(flags.lease));
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, /*read_only=*/!flags.repair));
  std::unique_ptr<source::Source> source;
  if (!flags.cold_only) {
    ARROW_ASSIGN_OR_RAISE(source, OpenSourceOf(flags.source, stop));
  }
  offload::VerifyContext context{source.get(), *side.catalog, *side.file_io, clock, stop, terminal, side.journal.get()};
  Outcome outcome;
  if (flags.repair) {
    ARROW_ASSIGN_OR_RAISE(outcome.repair, offload::RepairTable(context, request, lease));
    outcome.result = outcome.repair->after;
    for (const std::string& note : outcome.repair->notes) terminal.Note(note);
  } else {
    ARROW_ASSIGN_OR_RAISE(outcome.result, offload::VerifyTable(context, request));
  }
  return outcome;
}

int RunVerify(const VerifyFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto result = Execute(flags, stop, terminal);
  terminal.EndProgress();
  int code = ExitCodeOf(result.status(), stop);
  if (!result.ok()) {
    terminal.Error(WithContext(result.status(), "verify " + flags.target_table));
    if (flags.output.json) {
      Json json = {{"target", flags.target_table}, {"error", ErrorJson(result.status())}, {"exit_code", code}};
      PrintJson(json);
    }
    return code;
  }
  if (!result->result.equal()) code = kExitDifference;
  if (flags.output.json) {
    Json json = ResultJson(result->result, flags, code);
    if (result->repair) json["repair"] = RepairJson(*result->repair);
    PrintJson(json);
  } else {
    if (result->repair && result->repair->snapshot_id) PrintRepair(*result->repair);
    PrintResult(result->result, flags);
  }
  return code;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = app.add_subcommand("verify", "Compares a cold table with its source, row by row");
  AddTableFlags(*command, *flags);
  AddRangeFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  command->get_option("--source")->required(false);
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  command->footer(kFooter);
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunVerify(*flags, stop); }; });
}

}  // namespace calve::cli
