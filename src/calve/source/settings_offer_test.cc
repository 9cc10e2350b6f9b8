#include "calve/source/settings_offer.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

bool Offers(const SettingsOffer& offer, const std::string& name) {
  for (const auto& [offered, value] : offer.offered()) {
    if (offered == name) return true;
  }
  return false;
}

TEST(SettingsOfferTest, AnOldServerIsAskedForNothingNewAtOnce) {
  SettingsOffer offer(54469);
  EXPECT_EQ(offer.offered().front(), (std::pair<std::string, std::string>("client_protocol_version", "54469")));
  EXPECT_TRUE(offer.Refused(115, "Unknown setting client_protocol_version"));
  EXPECT_TRUE(offer.is_old_server());
  for (const char* gone :
       {"client_protocol_version", "limit", "offset", "cancel_http_readonly_queries_on_client_close"}) {
    EXPECT_FALSE(Offers(offer, gone)) << gone;
  }
  EXPECT_TRUE(Offers(offer, "result_overflow_mode"));
  EXPECT_EQ(offer.profile_query(), "");  // what a server does not know cannot be set in a profile either
}

TEST(SettingsOfferTest, OneUnknownSettingIsDropped) {
  SettingsOffer offer(54469);
  EXPECT_TRUE(offer.Refused(
      115,
      "Setting cancel_http_readonly_queries_on_client_close is neither a builtin setting nor started with the prefix"));
  EXPECT_FALSE(offer.is_old_server());
  EXPECT_TRUE(Offers(offer, "client_protocol_version"));
  EXPECT_TRUE(Offers(offer, "limit"));
}

TEST(SettingsOfferTest, AReadonlyUserHasToHaveAProfileThatKeepsResultsWhole) {
  SettingsOffer offer(54469);
  EXPECT_TRUE(
      offer.Refused(164, "Cannot modify 'cancel_http_readonly_queries_on_client_close' setting in readonly mode"));
  EXPECT_EQ(offer.profile_query(), "");
  EXPECT_TRUE(offer.Refused(164, "Cannot modify 'result_overflow_mode' setting in readonly mode"));
  EXPECT_TRUE(offer.Refused(452, "Setting limit should not be changed"));
  EXPECT_NE(offer.profile_query().find("'result_overflow_mode', 'limit'"), std::string::npos) << offer.profile_query();
  SettingsOffer bad = offer;
  const Status status = bad.CheckProfile({{"result_overflow_mode", "break"}, {"limit", "0"}}, "app");
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(status).find("result_overflow_mode = break"), std::string::npos);
  EXPECT_NE(MessageOf(status).find("'app'"), std::string::npos);
  EXPECT_TRUE(offer.CheckProfile({{"result_overflow_mode", "throw"}, {"limit", "0"}}, "app").ok());
  EXPECT_EQ(offer.profile_query(), "");  // once is enough
}

TEST(SettingsOfferTest, ThatAShardIsDownIsAnErrorUnlessTheProfileSaysOtherwise) {
  SettingsOffer offer(54469);
  EXPECT_TRUE(Offers(offer, "skip_unavailable_shards"));
  EXPECT_TRUE(offer.Refused(164, "Cannot modify 'skip_unavailable_shards' setting in readonly mode"));
  // Stale rows come later, as late ones: no reason to refuse a profile that leaves it at its default.
  EXPECT_TRUE(offer.Refused(
      164, "Cannot modify 'fallback_to_stale_replicas_for_distributed_queries' setting in readonly mode"));
  EXPECT_EQ(offer.profile_query().find("stale"), std::string::npos);
  EXPECT_EQ(KindOf(offer.CheckProfile({{"skip_unavailable_shards", "1"}}, "app")), ErrorKind::kConfig);
}

TEST(SettingsOfferTest, WhatIsNotOursIsLeftToTheCaller) {
  SettingsOffer offer(54469);
  const auto before = offer.offered();
  EXPECT_FALSE(offer.Refused(115, "Unknown setting 'max_thread': maybe you meant ['max_threads']"));
  EXPECT_FALSE(offer.Refused(164, "Cannot modify 'max_threads' setting in readonly mode"));
  EXPECT_FALSE(offer.Refused(60, "Table limit does not exist"));
  EXPECT_EQ(offer.offered(), before);
}

TEST(SettingsOfferTest, CallersMayNotLoseRows) {
  const SettingsOffer offer(54469);
  EXPECT_TRUE(offer.CheckCallers({{"max_threads", "2"}, {"result_overflow_mode", "throw"}}).ok());
  EXPECT_EQ(KindOf(offer.CheckCallers({{"result_overflow_mode", "break"}})), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(offer.CheckCallers({{"limit", "10"}})), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(offer.CheckCallers({{"skip_unavailable_shards", "1"}})), ErrorKind::kConfig);
  EXPECT_TRUE(offer.CheckCallers({{"fallback_to_stale_replicas_for_distributed_queries", "1"}}).ok());
}

}  // namespace
}  // namespace calve::source
