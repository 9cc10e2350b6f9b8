#include "calve/source/arrow_stream_file.h"

#include <arrow/io/file.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "calve/source/arrow_stream_encoder.h"

namespace calve::source {
namespace {

Status CannotWrite(const std::string& path, const std::string& why) {
  return MakeError(
      ErrorKind::kFailed, fmt::format("{}: {}", path, why),
      "Rows for the embedded ClickHouse go through a temporary file: name a directory with room in TMPDIR.");
}

}  // namespace

Result<std::unique_ptr<ArrowStreamFile>> ArrowStreamFile::Write(const BatchProducer& rows, const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(auto encoder, ArrowStreamEncoder::Make(rows, /*compress=*/false));
  if (encoder->empty()) return nullptr;
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  std::string directory = (error ? std::filesystem::path("/tmp") : temporary) / "calve-insert-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return CannotWrite(directory, std::strerror(errno));
  std::unique_ptr<ArrowStreamFile> file(new ArrowStreamFile(directory));
  auto out = arrow::io::FileOutputStream::Open(file->path_);
  if (!out.ok()) return CannotWrite(file->path_, MessageOf(out.status()));
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(auto bytes, encoder->Next());
    if (!bytes) break;
    if (Status written = (*out)->Write(bytes); !written.ok()) return CannotWrite(file->path_, MessageOf(written));
  }
  if (Status closed = (*out)->Close(); !closed.ok()) return CannotWrite(file->path_, MessageOf(closed));
  return file;
}

ArrowStreamFile::~ArrowStreamFile() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace calve::source
