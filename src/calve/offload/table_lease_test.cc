#include "calve/offload/table_lease.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/testing_child_process.h"

namespace calve::offload {
namespace {

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

class TableLeaseTest : public ::testing::Test {
 protected:
  std::unique_ptr<journal::Journal> Open() {
    return journal::OpenJournal("sqlite:///" + dir_.path() + "/journal.db").ValueOrDie();
  }
  // Who holds it, for somebody on another host.
  std::optional<journal::Lease> Held() {
    journal::Lease probe{"t", "probe", "elsewhere", 1, 1, clock_.Now(), clock_.Now() + kMinute};
    journal::Lease held = journal_->AcquireLease(probe).ValueOrDie();
    if (held.holder != "probe") return held;
    EXPECT_TRUE(journal_->ReleaseLease("t", "probe").ok());
    return std::nullopt;
  }

  TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<journal::Journal> journal_ = Open();
};

TEST_F(TableLeaseTest, IsHeldUntilItsEndAndReleased) {
  {
    TableLease lease(*journal_, clock_, "t", kMinute);
    EXPECT_FALSE(lease.Acquire().ValueOrDie().has_value());
    auto held = Held();
    ASSERT_TRUE(held.has_value());
    EXPECT_EQ(held->pid, getpid());
    EXPECT_FALSE(HolderIsGone(*held));
  }
  EXPECT_FALSE(Held().has_value());
}

TEST_F(TableLeaseTest, IsRenewedWhileItIsHeld) {
  TableLease lease(*journal_, clock_, "t", 300'000);
  ASSERT_FALSE(lease.Acquire().ValueOrDie().has_value());
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_TRUE(Held().has_value());
}

TEST_F(TableLeaseTest, AnotherHostsHolderIsBelieved) {
  journal::Lease other{"t", "other", "elsewhere", 1, 1, clock_.Now(), clock_.Now() + kMinute};
  ASSERT_TRUE(journal_->AcquireLease(other).ok());
  TableLease lease(*journal_, clock_, "t", kMinute);
  auto held = lease.Acquire().ValueOrDie();
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(held->host, "elsewhere");
}

TEST_F(TableLeaseTest, AHolderThatDiedIsNot) {
  if (!storage::kChildrenMayStartThreads) GTEST_SKIP() << "a child may not start threads here";
  int code = storage::WaitForChild(storage::StartChild([&] {
    auto journal = Open();
    TableLease lease(*journal, clock_, "t", kMinute);
    _exit(lease.Acquire().ValueOrDie().has_value() ? 1 : 0);
    return 2;
  }));
  ASSERT_EQ(code, 0);
  ASSERT_TRUE(Held().has_value());
  TableLease lease(*journal_, clock_, "t", kMinute);
  EXPECT_FALSE(lease.Acquire().ValueOrDie().has_value());
}

TEST_F(TableLeaseTest, ARecycledProcessIdIsNoHolder) {
  TableLease lease(*journal_, clock_, "t", kMinute);
  ASSERT_FALSE(lease.Acquire().ValueOrDie().has_value());
  journal::Lease held = Held().value();
  --held.process_start;
  EXPECT_TRUE(HolderIsGone(held));
}

}  // namespace
}  // namespace calve::offload
