// Secrets and the like, which stand in files of their own.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve {

// The whole file, without line breaks at its end. kConfig where it cannot be read; `what` it is, for the message.
Result<std::string> ReadSmallFile(const std::string& path, std::string_view what);

}  // namespace calve
