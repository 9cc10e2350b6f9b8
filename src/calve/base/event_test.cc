#include "calve/base/event.h"

#include <gtest/gtest.h>

#include <set>

namespace calve {
namespace {

TEST(Event, KindsAndFieldsStandInTheirOrderAndHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < EventDescriptions().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(EventDescriptions()[i].kind), i);
    EXPECT_TRUE(names.insert(EventDescriptions()[i].name).second);
  }
  EXPECT_EQ(EventDescriptions().back().kind, EventKind::kLogLinesLost);
  names = {"time", "level", "event", "message"};  // which every line has
  for (size_t i = 0; i < FieldDescriptions().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(FieldDescriptions()[i].field), i);
    EXPECT_TRUE(names.insert(FieldDescriptions()[i].name).second);
  }
  EXPECT_EQ(FieldDescriptions().back().field, EventField::kRemedy);
}

TEST(Event, WhatIsEmptyIsLeftOut) {
  Event event(EventKind::kTableDone, "done");
  event.Set(EventField::kRun, "").Set(EventField::kSnapshotId, std::optional<int64_t>()).SetTime(EventField::kAt, {});
  EXPECT_TRUE(event.fields().empty());
  event.Set(EventField::kRows, 5).Set(EventField::kRows, 6);
  ASSERT_EQ(event.fields().size(), 1u);
  EXPECT_EQ(std::get<int64_t>(*event.Find(EventField::kRows)), 6);
}

TEST(Event, AnErrorHasKindAndRemedy) {
  const Event event = Event::Of(EventKind::kError, MakeError(ErrorKind::kConfig, "wrong", "mend it"));
  EXPECT_EQ(event.message(), "wrong");
  EXPECT_EQ(event.level(), EventLevel::kError);
  EXPECT_EQ(event.TextOf(EventField::kErrorKind), "config");
  EXPECT_EQ(event.TextOf(EventField::kRemedy), "mend it");
}

}  // namespace
}  // namespace calve
