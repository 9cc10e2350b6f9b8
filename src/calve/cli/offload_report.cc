#include "calve/cli/offload_report.h"

#include "calve/cli/json_output.h"
#include "calve/cli/terminal.h"
#include "calve/offload/table_lease.h"

namespace calve::cli {
namespace {

// A run that another calve's lease kept from working.
Json SkippedJson(const offload::OffloadResult& r) {
  const journal::Lease& lease = *r.held_by;
  return {{"table", r.table},
          {"target", r.target},
          {"rows", 0},
          {"skipped", true},
          {"held_by",
           {{"host", lease.host},
            {"pid", lease.pid},
            {"since", FormatTimestamp(lease.since)},
            {"until", FormatTimestamp(lease.until)}}}};
}

}  // namespace

Json ResultJson(const offload::OffloadResult& r, bool dry_run) {
  if (r.held_by) return SkippedJson(r);
  Json json;
  json["table"] = r.table;
  json["target"] = r.target;
  json["rows"] = r.rows;
  json["files"] = r.files;
  json["bytes"] = r.bytes;
  json["snapshot_id"] = r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr);
  json["window"] = {{"from", TimeOrNull(r.window.from)}, {"to", FormatTimestamp(r.window.to)}};
  json["chunks"] = r.chunks;
  if (r.backlog) json["backlog"] = true;
  json["watermark"] = TimeOrNull(r.watermark);
  json["duration_seconds"] = r.seconds;
  json["rows_per_second"] = r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0.0;
  json["bytes_read"] = r.bytes_read;
  const offload::SliceSeconds& slice = r.seconds_slice;
  json["phases"] = {
      {"planning", r.seconds_planning}, {"writing", r.seconds_writing},   {"read", slice.read},
      {"decode", slice.decode},         {"wait_for_encoder", slice.held}, {"wait_for_rows", slice.starved},
      {"encode", slice.encode},         {"upload", slice.upload},         {"committing", r.seconds_committing},
      {"late", r.seconds_late}};
  json["rows_removed"] = r.rows_removed;
  json["rows_expected"] = r.rows_expected;
  json["rows_null_cursor"] = r.rows_null_cursor;
  json["rows_future_cursor"] = r.rows_future_cursor;
  json["late"] = {{"buckets", r.late.buckets},
                  {"rows", r.late.rows},
                  {"files", r.late.files},
                  {"bytes", r.late.bytes},
                  {"rows_removed", r.late.rows_removed},
                  {"snapshot_id", r.late.snapshot_id ? Json(*r.late.snapshot_id) : Json(nullptr)}};
  json["notes"] = r.notes;
  if (dry_run) {
    json["dry_run"] = true;
    json["query"] = r.queries.front();
    if (r.queries.size() > 1) json["queries"] = r.queries;
  }
  return json;
}

std::string WindowText(const offload::Window& window) {
  return fmt::format("({}, {}]", window.from ? FormatTimestamp(*window.from) : "the beginning",
                     FormatTimestamp(window.to));
}

std::string InChunks(const offload::OffloadResult& r) {
  return r.chunks > 1 ? fmt::format(" in {} chunks", r.chunks) : "";
}

void PrintOffloadResult(const offload::OffloadResult& r, bool dry_run) {
  std::string head = fmt::format("{} -> {}: ", r.table, r.target);
  if (r.held_by) {
    head += fmt::format("skipped, another calve works on it: {}, since {}; its lease ends at {} unless it renews it",
                        offload::HolderOf(*r.held_by), FormatTimestamp(r.held_by->since),
                        FormatTimestamp(r.held_by->until));
  } else if (r.window.empty()) {
    head += fmt::format("nothing to do, the window {} is empty", WindowText(r.window));
  } else if (dry_run) {
    head += fmt::format("would offload {} rows of the window {}{}\n  query      {}", HumanCount(r.rows_expected),
                        WindowText(r.window), InChunks(r), fmt::join(r.queries, "\n"));
  } else {
    double rate = r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0;
    head += fmt::format("{} rows in {} ({} rows/s), {} file{}, {}\n  window     {}{}\n  snapshot   {}",
                        HumanCount(r.rows), HumanSeconds(r.seconds), HumanRate(rate), r.files, r.files == 1 ? "" : "s",
                        HumanBytes(r.bytes), WindowText(r.window), InChunks(r), r.snapshot_id.value_or(0));
  }
  std::printf("%s\n", head.c_str());
}

}  // namespace calve::cli
