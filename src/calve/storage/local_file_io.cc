#include "calve/storage/local_file_io.h"

#include <arrow/io/file.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "calve/storage/local_output_stream.h"
#include "calve/storage/posix_error.h"
#include "calve/storage/temporary_file.h"

namespace calve::storage {
namespace {

// Deeper than any partitioning; keeps a folder tree that somebody built by accident from eating all descriptors.
constexpr size_t kDepthMax = 256;

Result<std::string> PathOf(const std::string& location) {
  std::string path = LocalPath(location);
  if (path.empty()) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("'{}' is not a local file", location),
                     "Tables of a local warehouse must live below file:/// or a plain path.");
  }
  // A NUL would silently cut the path short in every system call below.
  if (path.find('\0') != std::string::npos) {
    return MakeError(ErrorKind::kConfig, fmt::format("the location '{}' holds a NUL byte", location.c_str()),
                     "Choose a name without it.");
  }
  return path;
}

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};
using UniqueDir = std::unique_ptr<DIR, DirCloser>;

bool IsDots(std::string_view name) { return name == "." || name == ".."; }
bool NothingThere(int errnum) { return errnum == ENOENT || errnum == ENOTDIR; }

enum class FolderLinks { kSkip, kFollow };

// Appends what is in one folder, nothing where there is none; files that vanish meanwhile are skipped.
Status ListOne(const std::string& path, const std::string& location, FolderLinks links, std::vector<FileInfo>& files,
               std::vector<std::string>& folders) {
  UniqueDir dir(opendir(path.c_str()));
  if (!dir) return NothingThere(errno) ? Status::OK() : PosixError(errno, "list", location);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (!entry) return errno == 0 ? Status::OK() : PosixError(errno, "list", location);
    if (IsDots(entry->d_name)) continue;
    struct stat info;
    if (fstatat(dirfd(dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISLNK(info.st_mode)) {
      if (fstatat(dirfd(dir.get()), entry->d_name, &info, 0) != 0) continue;
      if (S_ISDIR(info.st_mode) && links == FolderLinks::kSkip) continue;
    }
    if (S_ISDIR(info.st_mode)) {
      folders.emplace_back(entry->d_name);
    } else {
      int64_t mtime_ms = int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
      files.push_back({JoinLocation(location, entry->d_name), info.st_size, mtime_ms});
    }
  }
}

}  // namespace

Result<std::string> LocalFileIO::Read(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return PosixError(errno, "read", location);
  std::string bytes;
  bytes.resize(static_cast<size_t>(info.st_size));
  size_t filled = 0;
  while (filled < bytes.size()) {
    ssize_t got = read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return PosixError(errno, "read", location);
    if (got == 0) break;  // shorter than it was a moment ago
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> LocalFileIO::OpenInput(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return FromArrow(file.status(), "open", location);
  return std::shared_ptr<arrow::io::RandomAccessFile>(std::move(file).ValueUnsafe());
}

Result<std::shared_ptr<arrow::io::OutputStream>> LocalFileIO::OpenOutput(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::io::OutputStream> stream, LocalOutputStream::Create(path));
  return stream;
}

Status LocalFileIO::WriteNew(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  // Spares the loser of most races two syncs; the link below decides.
  if (access(path.c_str(), F_OK) == 0) return PosixError(EEXIST, "create", location);
  ARROW_ASSIGN_OR_RAISE(TemporaryFile file, TemporaryFile::Write(path, bytes));
  return file.PublishNew();
}

Status LocalFileIO::Replace(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  ARROW_ASSIGN_OR_RAISE(TemporaryFile file, TemporaryFile::Write(path, bytes));
  return file.PublishOver();
}

Result<bool> LocalFileIO::Exists(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  struct stat info;
  if (stat(path.c_str(), &info) == 0) return !S_ISDIR(info.st_mode);
  if (NothingThere(errno)) return false;
  return PosixError(errno, "look for", location);
}

Status LocalFileIO::Delete(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  if (unlink(path.c_str()) == 0 || NothingThere(errno)) return Status::OK();
  return PosixError(errno, "delete", location);
}

Result<std::vector<FileInfo>> LocalFileIO::List(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  std::vector<FileInfo> files;
  struct Pending {
    std::string path, location;
    size_t depth;
  };
  std::vector<Pending> pending{{path, location, 0}};
  while (!pending.empty()) {
    Pending next = std::move(pending.back());
    pending.pop_back();
    if (next.depth > kDepthMax) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("folders below {} are nested more than {} deep", location, kDepthMax));
    }
    std::vector<std::string> folders;
    // Linked folders are not walked into, so that links cannot form a circle.
    ARROW_RETURN_NOT_OK(ListOne(next.path, next.location, FolderLinks::kSkip, files, folders));
    for (const std::string& folder : folders) {
      pending.push_back({next.path + "/" + folder, JoinLocation(next.location, folder), next.depth + 1});
    }
  }
  return files;
}

Result<std::vector<std::string>> LocalFileIO::ListFolders(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string path, PathOf(location));
  std::vector<FileInfo> files;
  std::vector<std::string> folders;
  ARROW_RETURN_NOT_OK(ListOne(path, location, FolderLinks::kFollow, files, folders));
  return folders;
}

}  // namespace calve::storage
