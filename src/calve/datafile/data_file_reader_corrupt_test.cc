// Damaged files end in an error that names them, or, where Parquet has nothing to tell by, in wrong values: never in a
// crash, and never in another number of rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "calve/datafile/testing_read_files.h"
#include "calve/storage/testing_memory_file_io.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using testing::HasSubstr;

class CorruptFileTest : public DataFilesTest {
 protected:
  // Reads all of it, and every value: what is wrong inside of an array shows.
  void ReadDamaged(const DataFile& file, const Schema& schema) {
    for (const bool dictionaries : {true, false}) {
      ReadRequest request;
      request.schema = schema;
      request.dictionaries = dictionaries;
      auto reader = DataFileReader::Open(*file_io_, file, request);
      Status status = reader.status();
      int64_t rows = 0;
      while (status.ok()) {
        const auto batch = (*reader)->Next();
        status = batch.status();
        if (!status.ok() || !*batch) break;
        rows += (*batch)->num_rows();
        ASSERT_TRUE((*batch)->Validate().ok());
        for (const auto& column : (*batch)->columns()) {
          if (!column->ValidateFull().ok()) ++invalid_;  // text that is not UTF-8, say
        }
      }
      if (status.ok()) {
        ++read_;
        ASSERT_EQ(rows, file.record_count);
        continue;
      }
      ++errors_;
      ASSERT_THAT(MessageOf(status), HasSubstr(file.file_path));
      ASSERT_TRUE(KindOf(status) == ErrorKind::kCorrupt || KindOf(status) == ErrorKind::kUnsupported ||
                  KindOf(status) == ErrorKind::kValue)
          << status.ToString();
    }
  }

  int errors_ = 0;
  int read_ = 0;
  int invalid_ = 0;
};

TEST_F(CorruptFileTest, TruncatedAnywhere) {
  const Schema schema = EveryType();
  std::mt19937_64 random(31);
  const DataFile file = WriteAll(schema, {RandomBatch(schema, 200, random)}).at(0);
  const std::string bytes = Slurp(file.file_path);
  for (size_t cut = 0; cut < 300; ++cut) {
    const size_t length = cut < 100 ? cut : cut < 200 ? bytes.size() - (cut - 99) : random() % bytes.size();
    Spill(file.file_path, bytes.substr(0, length));
    ReadDamaged(file, schema);
    if (HasFatalFailure()) FAIL() << "cut at " << length;
  }
  EXPECT_EQ(read_, 0) << "a footer stands at the end";
}

TEST_F(CorruptFileTest, BytesFlippedAnywhere) {
  const Schema schema = EveryType();
  std::mt19937_64 random(32);
  WriterOptions options;
  options.page_bytes = 1024;
  for (const char* codec : {"zstd", "uncompressed"}) {
    options.compression = codec;
    std::filesystem::remove_all(folder_.path() + "/data");
    const DataFile file = WriteAll(schema, {RandomBatch(schema, 300, random)}, options).at(0);
    const std::string bytes = Slurp(file.file_path);
    for (int round = 0; round < 250; ++round) {
      std::string damaged = bytes;
      const int flips = 1 + static_cast<int>(random() % 3);
      // Half of them in the footer and the page index, where lengths and offsets are.
      const size_t begin = round % 2 == 0 ? 0 : bytes.size() - bytes.size() / 4;
      for (int i = 0; i < flips; ++i) {
        damaged[begin + random() % (bytes.size() - begin)] ^= static_cast<char>(1 << (random() % 8));
      }
      Spill(file.file_path, damaged);
      ReadDamaged(file, schema);
      if (HasFatalFailure()) FAIL() << codec << " round " << round;
    }
  }
  EXPECT_GT(errors_, 100);
  EXPECT_GT(read_, 20);
}

TEST_F(CorruptFileTest, ChecksumsOfPagesAreVerifiedWhereTheyAre) {
  arrow::Int64Builder builder;
  std::mt19937_64 random(33);
  for (int i = 0; i < 5'000; ++i) Must(builder.Append(static_cast<int64_t>(random())));
  ForeignOptions options;
  options.page_checksums = true;
  options.dictionary = false;
  const std::string path = folder_.path() + "/checked.parquet";
  const DataFile file =
      WriteForeign(path, *TableOf({FieldWithId(1, "c", arrow::int64())}, {Must(builder.Finish())}), options);
  const std::string bytes = Slurp(path);
  const auto chunk = Open(file)->metadata()->RowGroup(0)->ColumnChunk(0);
  const auto begin = static_cast<size_t>(chunk->data_page_offset());
  for (int round = 0; round < 50; ++round) {
    std::string damaged = bytes;
    // Behind the page's header, in values: without checksums these are other values.
    const size_t place = begin + 200 + random() % (static_cast<size_t>(chunk->total_compressed_size()) - 200);
    damaged[place] ^= static_cast<char>(1 << (random() % 8));
    Spill(path, damaged);
    ReadDamaged(file, OneLong());
  }
  EXPECT_EQ(errors_, 100);
  EXPECT_EQ(read_, 0);
}

TEST_F(CorruptFileTest, NothingButZerosOrText) {
  DataFile file;
  file.file_path = folder_.path() + "/none.parquet";
  file.record_count = 1;
  for (const std::string& bytes : {std::string(), std::string("PAR1"), std::string(4096, '\0'), std::string("PAR1PAR1"),
                                   std::string("PAR1") + std::string(8, '\xff') + "PAR1", std::string(100, 'x')}) {
    Spill(file.file_path, bytes);
    ReadDamaged(file, OneLong());
  }
  EXPECT_EQ(read_, 0);
}

// A store that fails is not a damaged file.
TEST_F(CorruptFileTest, ErrorsOfTheStoreKeepTheirKind) {
  class Failing : public arrow::io::RandomAccessFile {
   public:
    Failing(std::shared_ptr<arrow::io::RandomAccessFile> file, int reads) : file_(std::move(file)), reads_(reads) {}
    Status Close() override { return file_->Close(); }
    bool closed() const override { return file_->closed(); }
    Result<int64_t> Tell() const override { return file_->Tell(); }
    Status Seek(int64_t position) override { return file_->Seek(position); }
    Result<int64_t> GetSize() override { return file_->GetSize(); }
    Result<int64_t> Read(int64_t bytes, void* out) override { return file_->Read(bytes, out); }
    Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override { return file_->Read(bytes); }
    Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override {
      ARROW_RETURN_NOT_OK(Count());
      return file_->ReadAt(position, bytes, out);
    }
    Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t bytes) override {
      ARROW_RETURN_NOT_OK(Count());
      return file_->ReadAt(position, bytes);
    }

   private:
    Status Count() { return reads_-- > 0 ? Status::OK() : MakeError(ErrorKind::kRetry, "the store is busy"); }

    const std::shared_ptr<arrow::io::RandomAccessFile> file_;
    int reads_;
  };
  class FailingFileIO : public storage::MemoryFileIO {
   public:
    Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override {
      ARROW_ASSIGN_OR_RAISE(auto file, MemoryFileIO::OpenInput(location));
      return std::make_shared<Failing>(std::move(file), reads);
    }
    int reads = 0;
  };
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 10)}).at(0);
  FailingFileIO io;
  ASSERT_TRUE(io.WriteNew(file.file_path, Slurp(file.file_path)).ok());
  ReadRequest request;
  request.schema = OneLong();
  int failed = 0;
  for (; io.reads < 10; ++io.reads) {
    const auto rows = TryRead(io, file, request);
    if (rows.ok()) break;
    ++failed;
    EXPECT_EQ(KindOf(rows.status()), ErrorKind::kRetry) << rows.status().ToString();
    EXPECT_THAT(MessageOf(rows.status()), HasSubstr(file.file_path));
  }
  EXPECT_GE(failed, 2) << "the footer, and the column";
  EXPECT_LT(failed, 10);
}

}  // namespace
}  // namespace calve::datafile
