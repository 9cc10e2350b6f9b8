// The problems that are known, in a file: what one process has told the next one does not tell again, and its end is
// noticed by whoever sees it.
#pragma once

#include <functional>
#include <string>

#include "calve/notify/problem.h"

namespace calve::notify {

// Hands over what the file holds (nothing where there is none), and puts what became of it in its place, in one step,
// if it changed. Only one process at a time does this. A file that is none of calve's stays as it is: kCorrupt.
Status UpdateProblemFile(const std::string& path, const std::function<void(ProblemBook& book)>& update);

}  // namespace calve::notify
