// What a running offload tells about itself.
#pragma once

#include "calve/base/progress.h"

namespace calve::offload {

using calve::Progress;
using calve::ProgressSink;

}  // namespace calve::offload
