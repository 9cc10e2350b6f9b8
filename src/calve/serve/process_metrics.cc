#include "calve/serve/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace calve::serve {
namespace {

using prometheus::MetricType;

// The fields of /proc/self/stat behind the program's name, which may hold anything; [0] is the third field of proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

// Seconds since the epoch; 0 where it is not told.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

}  // namespace

MetricFamilies ProcessMetrics() {
  MetricSet set({
      {"process_cpu_seconds_total", MetricType::Counter, "Total user and system CPU time spent in seconds."},
      {"process_resident_memory_bytes", MetricType::Gauge, "Resident memory size in bytes."},
      {"process_virtual_memory_bytes", MetricType::Gauge, "Virtual memory size in bytes."},
      {"process_start_time_seconds", MetricType::Gauge, "Start time of the process since unix epoch in seconds."},
      {"process_threads", MetricType::Gauge, "Number of threads of the process."},
      {"process_open_fds", MetricType::Gauge, "Number of open file descriptors."},
      {"process_max_fds", MetricType::Gauge, "Maximum number of open file descriptors."},
  });
  const std::vector<std::string> stat = StatFields();
  const auto number = [&](size_t field) { return std::strtod(stat.at(field - 3).c_str(), nullptr); };  // as in proc(5)
  constexpr size_t kFieldsNeeded = 24 - 3 + 1;
  if (stat.size() >= kFieldsNeeded) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    set.Set("process_cpu_seconds_total", {}, (number(14) + number(15)) / ticks);
    set.Set("process_threads", {}, number(20));
    if (const double boot = BootTime(); boot > 0) set.Set("process_start_time_seconds", {}, boot + number(22) / ticks);
    set.Set("process_virtual_memory_bytes", {}, number(23));
    set.Set("process_resident_memory_bytes", {}, number(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  size_t open = 0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++open;
  }
  if (open > 0) set.Set("process_open_fds", {}, static_cast<double>(open - 1));  // without the one that lists them
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) set.Set("process_max_fds", {}, static_cast<double>(limit.rlim_cur));
  return set.families();
}

}  // namespace calve::serve
