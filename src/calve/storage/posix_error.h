// What a failed system call means to the caller, and what the operator can do about it.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::storage {

// A Status for `errnum`: "cannot ACTION LOCATION: TEXT". ENOENT is kNotFound, EEXIST kAlreadyExists; a full or
// read-only disk, missing rights and limits of the process are kConfig with a remedy; what passes by itself is kRetry.
Status PosixError(int errnum, std::string_view action, std::string_view location);

// The same for a Status of Arrow's file system code, which carries the errno where there was one.
Status FromArrow(const Status& status, std::string_view action, std::string_view location);

}  // namespace calve::storage
