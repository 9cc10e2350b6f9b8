#include "calve/storage/routing_file_io.h"

#include "calve/storage/location.h"

namespace calve::storage {

std::string_view StoreOfScheme(std::string_view scheme) {
  if (scheme.empty() || scheme == "file") return "file";
  return {};
}

Result<FileIO*> RoutingFileIO::StoreOf(const std::string& location) {
  ARROW_RETURN_NOT_OK(CheckLocation(location));
  const std::string_view store = StoreOfScheme(SchemeOf(location));
  std::lock_guard lock(mutex_);
  auto& opened = stores_[store];
  if (!opened) {
    ARROW_ASSIGN_OR_RAISE(opened, opener_(store));
  }
  return opened.get();
}

Result<std::string> RoutingFileIO::Read(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->Read(location);
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> RoutingFileIO::OpenInput(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->OpenInput(location);
}

Result<std::shared_ptr<arrow::io::OutputStream>> RoutingFileIO::OpenOutput(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->OpenOutput(location);
}

Status RoutingFileIO::WriteNew(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->WriteNew(location, bytes);
}

Status RoutingFileIO::Replace(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->Replace(location, bytes);
}

Result<bool> RoutingFileIO::Exists(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->Exists(location);
}

Status RoutingFileIO::Delete(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->Delete(location);
}

Result<std::vector<FileInfo>> RoutingFileIO::List(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->List(location);
}

Result<std::vector<std::string>> RoutingFileIO::ListFolders(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(FileIO * store, StoreOf(location));
  return store->ListFolders(location);
}

}  // namespace calve::storage
