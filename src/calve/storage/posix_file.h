// The few system calls that durable files need and Arrow's file system does not offer (O_EXCL, link, fsync of folders).
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"
#include "calve/base/unique_fd.h"

namespace calve::storage {

// The folder of `path`: "/a" of "/a/b", "." of "b".
std::string FolderOf(const std::string& path);
// Makes `folder` and what is missing above it; the new entries are durable.
Status MakeFolders(const std::string& folder);
// Makes the entries of `folder` durable.
Status SyncFolder(const std::string& folder);
// A new file, open for writing, in an existing or a new folder; kAlreadyExists where there is one.
Result<UniqueFd> CreateNewFile(const std::string& path);
// Writes all of `bytes`.
Status WriteAll(int fd, std::string_view bytes, const std::string& path);
Status SyncFile(int fd, const std::string& path);

}  // namespace calve::storage
