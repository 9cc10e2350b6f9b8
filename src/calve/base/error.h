// Errors below cli/: arrow::Status and arrow::Result, with one StatusDetail that says what the caller should do.
//
// A message names table, column and value where they are known; the remedy is one sentence that tells the operator
// what to do. Errors are returned, never logged, below cli/.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>
#include <string_view>

namespace calve {

using arrow::Result;
using arrow::Status;

// Named by what the caller does about it.
enum class ErrorKind {
  kFailed,          // nothing better is known: report it
  kRetry,           // transient: the same call may succeed later; nothing was changed
  kConflict,        // someone else committed first: reload, plan anew; our change is proven not to be in
  kUnknownOutcome,  // the change may or may not be in: look before doing anything; delete nothing
  kConfig,          // the operator has to change the configuration, the command line or a right
  kNotFound,        // the named thing does not exist
  kAlreadyExists,   // the thing to create exists
  kUnsupported,     // a type or feature that calve refuses
  kValue,           // a value that does not fit its target type
  kCorrupt,         // bytes that are not what they claim to be
  kStopped,         // a signal or a caller asked to stop
};

std::string_view ErrorKindName(ErrorKind kind);

// Makes a non-OK Status. `remedy` may be empty where the message says it all.
Status MakeError(ErrorKind kind, std::string message, std::string remedy = "");

// kFailed for a Status that was not made by MakeError.
ErrorKind KindOf(const Status& status);
// Empty where there is none.
std::string RemedyOf(const Status& status);
// The message without Arrow's code prefix and without the remedy.
std::string MessageOf(const Status& status);
// "prefix: message", kind and remedy kept. OK stays OK.
Status WithContext(const Status& status, std::string_view prefix);
// The same message with another kind (a library's error, once it is known what it means).
Status WithKind(const Status& status, ErrorKind kind, std::string remedy = "");

}  // namespace calve
