#include "calve/config/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace calve::config {
namespace {

constexpr size_t kFindingsMax = 50;

std::string Line(const std::string& file, const Finding& finding) {
  return fmt::format("{}:{}:{}: {}{}{}", file, finding.mark.line, finding.mark.column, finding.path,
                     finding.path.empty() ? "" : ": ", finding.message);
}

}  // namespace

bool Findings::full() const { return list_.size() >= kFindingsMax; }

void Findings::Add(Mark mark, std::string path, std::string message, std::string remedy) {
  if (full()) {
    ++left_out_;
    return;
  }
  list_.push_back({mark, std::move(path), std::move(message), std::move(remedy)});
}

Status Findings::ToStatus() const {
  if (list_.empty()) return Status::OK();
  if (list_.size() == 1) return MakeError(ErrorKind::kConfig, Line(file_, list_[0]), list_[0].remedy);
  std::vector<Finding> sorted = list_;
  std::ranges::stable_sort(sorted, {},
                           [](const Finding& finding) { return std::tuple(finding.mark.line, finding.mark.column); });
  std::string text;
  for (const Finding& finding : sorted) {
    if (!text.empty()) text += '\n';
    text += Line(file_, finding);
    if (!finding.remedy.empty()) text += ". " + finding.remedy;
  }
  if (left_out_ > 0) text += fmt::format("\n{}: and {} more", file_, left_out_);
  return MakeError(
      ErrorKind::kConfig, text,
      fmt::format("Mend these {} places; `calve config --reference` explains every key.", sorted.size() + left_out_));
}

}  // namespace calve::config
