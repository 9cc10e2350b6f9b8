#include "calve/cli/verify_flags.h"

#include <cstdlib>
#include <string_view>

namespace calve::cli {
namespace {

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

}  // namespace

void AddVerifyRangeFlags(CLI::App& command, const char* group, VerifyRangeFlags& flags) {
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
}

Status TakeVerifyRange(const VerifyRangeFlags& flags, offload::VerifyRequest& request) {
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
  return Status::OK();
}

}  // namespace calve::cli
