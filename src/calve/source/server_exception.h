// What a ClickHouse server says when it fails, as it appears in an HTTP body: the answer to a refused query, or the
// text that a server writes behind (or inside) a result that it can no longer deliver, under a status of 200.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::source {

struct ServerException {
  int code = 0;         // ClickHouse's ErrorCodes: 60 UNKNOWN_TABLE, 241 MEMORY_LIMIT_EXCEEDED, …
  std::string message;  // one message for people: without stack trace, control characters and the C++ class
  ErrorKind kind = ErrorKind::kFailed;
  std::string remedy;

  // MakeError(kind, "ClickHouse: Code <code>: <message>", remedy).
  Status ToStatus() const;
};

// The exception that `text` states, wherever in it. Spellings:
//   up to 20.x   Code: 395, e.displayText() = DB::Exception: <message>, e.what() = DB::Exception
//   since 21.x   Code: 395. DB::Exception: <message>. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 24.8.1.1)
// Nothing where no such text is found.
std::optional<ServerException> ParseServerException(std::string_view text);

// What the caller should do about an error code.
ErrorKind KindOfServerError(int code);

// The exception that ends a body of another format: `tail` is the end of the body (all that was kept of it), at_end
// says that nothing follows. What is found must run to the very end, for a value may quote such a text as well:
// - since 25.11 a frame with the random tag of the response's X-ClickHouse-Exception-Tag; where `tag` is not empty only
//   that counts, and no value can hold it:
//     \r\n__exception__\r\n<tag>\r\n<text>\n<length of text> <tag>\r\n__exception__\r\n
// - before: the bare text (since 25.3 behind a line "__exception__"), up to a line's end.
std::optional<ServerException> ExceptionAtEnd(std::string_view tail, std::string_view tag);

// The exception that `text`, which is the rest of a body from a place where it cannot be data, begins with.
std::optional<ServerException> ExceptionAtStart(std::string_view text, std::string_view tag);

}  // namespace calve::source
