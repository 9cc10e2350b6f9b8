// The conformance suite over every FileIO.
#include "calve/storage/file_io.h"

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/fault_injection.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/testing_file_io_conformance.h"
#include "calve/storage/testing_memory_file_io.h"

namespace calve::storage {
namespace {

struct LocalPlace : FileIOPlace {
  explicit LocalPlace(std::string location_prefix) : prefix(std::move(location_prefix)) {}
  FileIO& io() override { return local; }
  std::string root() override { return prefix + dir.path(); }

  TempDir dir;
  LocalFileIO local;
  std::string prefix;
};

struct FaultlessPlace : LocalPlace {
  FaultlessPlace() : LocalPlace("file://") {}
  FileIO& io() override { return faults; }
  FaultInjectingFileIO faults{local};
};

struct MemoryPlace : FileIOPlace {
  FileIO& io() override { return memory; }
  std::string root() override { return "memory:/place"; }
  MemoryFileIO memory;
};

INSTANTIATE_TEST_SUITE_P(
    Every, FileIOConformance,
    ::testing::Values(FileIOCase{"PlainPath", [] { return std::make_unique<LocalPlace>(""); }},
                      FileIOCase{"FileUri", [] { return std::make_unique<LocalPlace>("file://"); }},
                      FileIOCase{"HadoopUri", [] { return std::make_unique<LocalPlace>("file:"); }},
                      FileIOCase{"Memory", [] { return std::make_unique<MemoryPlace>(); }},
                      FileIOCase{"FaultWrapper", [] { return std::make_unique<FaultlessPlace>(); }}),
    CaseName);

}  // namespace
}  // namespace calve::storage
