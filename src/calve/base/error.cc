#include "calve/base/error.h"

#include <memory>
#include <utility>

namespace calve {
namespace {

constexpr const char* kTypeId = "calve::ErrorDetail";

class ErrorDetail : public arrow::StatusDetail {
 public:
  ErrorDetail(ErrorKind kind, std::string remedy) : kind_(kind), remedy_(std::move(remedy)) {}
  const char* type_id() const override { return kTypeId; }
  std::string ToString() const override {
    std::string text(ErrorKindName(kind_));
    return remedy_.empty() ? text : text + "; " + remedy_;
  }
  ErrorKind kind() const { return kind_; }
  const std::string& remedy() const { return remedy_; }

 private:
  ErrorKind kind_;
  std::string remedy_;
};

const ErrorDetail* DetailOf(const Status& status) {
  const auto& detail = status.detail();
  if (!detail || std::string_view(detail->type_id()) != kTypeId) return nullptr;
  return static_cast<const ErrorDetail*>(detail.get());
}

}  // namespace

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kFailed:
      return "failed";
    case ErrorKind::kRetry:
      return "retry";
    case ErrorKind::kConflict:
      return "conflict";
    case ErrorKind::kUnknownOutcome:
      return "unknown-outcome";
    case ErrorKind::kConfig:
      return "config";
    case ErrorKind::kNotFound:
      return "not-found";
    case ErrorKind::kAlreadyExists:
      return "already-exists";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kValue:
      return "value";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kStopped:
      return "stopped";
  }
  return "failed";
}

Status MakeError(ErrorKind kind, std::string message, std::string remedy) {
  return Status(arrow::StatusCode::UnknownError, std::move(message),
                std::make_shared<ErrorDetail>(kind, std::move(remedy)));
}

ErrorKind KindOf(const Status& status) {
  const ErrorDetail* detail = DetailOf(status);
  return detail ? detail->kind() : ErrorKind::kFailed;
}

std::string RemedyOf(const Status& status) {
  const ErrorDetail* detail = DetailOf(status);
  return detail ? detail->remedy() : std::string();
}

std::string MessageOf(const Status& status) { return status.message(); }

Status WithContext(const Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  return Status(status.code(), std::string(prefix) + ": " + status.message(), status.detail());
}

Status WithKind(const Status& status, ErrorKind kind, std::string remedy) {
  if (status.ok()) return status;
  return MakeError(kind, status.message(), std::move(remedy));
}

}  // namespace calve
