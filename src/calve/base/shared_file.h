// Small files that several processes change in turn and others read meanwhile: what `calve` leaves for its next run, or
// for node_exporter. A reader sees the old or the new one as a whole; a loss of power may take the new one away.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "calve/base/error.h"
#include "calve/base/unique_fd.h"

namespace calve {

// Waits until nobody else holds the lock on this open file or folder, and holds it until that is closed. On a file
// system without locks it returns at once, and two processes that end in the same moment may forget each other's
// change.
void HoldLock(const UniqueFd& file);

// By a temporary file beside it, PATH.tmp; whatever stands there was left by a process that died, for only one is here
// at a time (HoldLock). `mode`: whatever the umask is. kFailed, with this remedy.
Status ReplaceSharedFile(const std::string& path, std::string_view bytes, mode_t mode, const std::string& remedy);

// "cannot write PATH: No such file or directory", by errno.
Status SharedFileError(const char* what, const std::string& path, const std::string& remedy);

}  // namespace calve
