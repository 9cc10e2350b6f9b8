#include "calve/storage/storage_credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace calve::storage {
namespace {

std::map<std::string, std::string> Key(const std::string& id) { return {{"s3.access-key-id", id}}; }

TEST(StorageCredentials, TheLongestPrefixDecides) {
  StorageCredentials book;
  EXPECT_FALSE(book.Find("s3://b/t/data/a").has_value());
  book.Put({"s3", Key("all")});
  book.Put({"s3://b/t", Key("table")});
  book.Put({"s3://b/t/data", Key("data")});
  EXPECT_EQ(book.Find("s3://b/t/data/a")->config, Key("data"));
  EXPECT_EQ(book.Find("s3://b/t/metadata/a")->config, Key("table"));
  EXPECT_EQ(book.Find("s3://c/x")->config, Key("all"));
  EXPECT_FALSE(book.Find("gs://b/t").has_value());
  book.Put({"s3://b/t", Key("renewed")});
  EXPECT_EQ(book.Find("s3://b/t/metadata/a")->config, Key("renewed"));
}

TEST(StorageCredentials, ManyThreadsRefreshOnce) {
  StorageCredentials book;
  book.Put({"s3://b", Key("old")});
  std::atomic<int> calls{0};
  book.SetRefresher([&](const std::string& location) {
    EXPECT_EQ(location, "s3://b/x");
    ++calls;
    book.Put({"s3://b", Key("new")});
    return Status::OK();
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(book.Refresh("s3://b/x", Key("old")).ok()); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(book.Find("s3://b/x")->config, Key("new"));
}

TEST(StorageCredentials, WithoutARefresherItSaysSo) {
  StorageCredentials book;
  book.Put({"s3://b", Key("old")});
  EXPECT_EQ(KindOf(book.Refresh("s3://b/x", Key("old"))), ErrorKind::kConfig);
  book.SetRefresher([](const std::string&) { return MakeError(ErrorKind::kRetry, "catalog is away"); });
  EXPECT_EQ(KindOf(book.Refresh("s3://b/x", Key("old"))), ErrorKind::kRetry);
}

TEST(StorageCredentials, Expiry) {
  EXPECT_FALSE(ExpiresAtMs({"s3", Key("a")}).has_value());
  EXPECT_EQ(ExpiresAtMs({"s3", {{"s3.session-token-expires-at-ms", "1700000000000"}}}), 1'700'000'000'000);
  EXPECT_EQ(ExpiresAtMs({"gs", {{"gcs.oauth2.token-expires-at", "17"}}}), 17);
  EXPECT_FALSE(ExpiresAtMs({"s3", {{"s3.session-token-expires-at-ms", "soon"}}}).has_value());
}

}  // namespace
}  // namespace calve::storage
