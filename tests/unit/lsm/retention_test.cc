#include "lsm/retention.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "sisyphus/options.h"

namespace sisyphus::lsm {
namespace {

// The versions of one key that stay, newest first; "-3" is a deletion at 3.
std::vector<int> Kept(const std::vector<int>& versions, std::vector<uint64_t> read_points,
                      bool deeper) {
  Retention retention(std::move(read_points), [deeper](std::string_view) { return deeper; });
  std::vector<int> kept;
  for (const int version : versions) {
    const auto sequence = static_cast<uint64_t>(std::abs(version));
    const Kind kind = version > 0 ? Kind::kPut : Kind::kDelete;
    if (retention.Keep({"k", PackTrailer(sequence, kind)})) kept.push_back(version);
  }
  return kept;
}

using Versions = std::vector<int>;

TEST(RetentionTest, WithoutHistoryOnlyTheNewestStays) {
  EXPECT_EQ(Kept({9, 7, -5, 3}, {kMaxSequence}, true), (Versions{9}));
}

TEST(RetentionTest, EverythingAboveTheFloorAndTheNewestAtIt) {
  EXPECT_EQ(Kept({9, 7, 5, 3}, {6}, true), (Versions{9, 7, 5}));
  EXPECT_EQ(Kept({9, 7, 5, 3}, {5}, true), (Versions{9, 7, 5}));
  EXPECT_EQ(Kept({9, 7, 5, 3}, {4}, true), (Versions{9, 7, 5, 3}));
  EXPECT_EQ(Kept({9, 7, 5, 3}, {0}, true), (Versions{9, 7, 5, 3}));
}

TEST(RetentionTest, WhatASnapshotSeesStays) {
  EXPECT_EQ(Kept({9, 7, 5, 3}, {3, kMaxSequence}, true), (Versions{9, 3}));
  EXPECT_EQ(Kept({9, 7, 5, 3}, {4, 7, kMaxSequence}, true), (Versions{9, 7, 3}));
  EXPECT_EQ(Kept({9, 7, 5, 3}, {2, kMaxSequence}, true), (Versions{9}));
}

TEST(RetentionTest, ADeletionGoesOnlyWhenNothingCanComeBack) {
  EXPECT_EQ(Kept({-9, 7}, {kMaxSequence}, false), (Versions{}));
  EXPECT_EQ(Kept({-9, 7}, {kMaxSequence}, true), (Versions{-9}));
  // A reader between the two still needs the older one, so it must stay hidden from later readers.
  EXPECT_EQ(Kept({-9, 7}, {8, kMaxSequence}, false), (Versions{-9, 7}));
  EXPECT_EQ(Kept({-9, 7}, {8}, false), (Versions{-9, 7}));
  EXPECT_EQ(Kept({-9, 7}, {9}, false), (Versions{}));
  EXPECT_EQ(Kept({9, -7, 5}, {8}, false), (Versions{9}));
}

TEST(RetentionTest, KeysDoNotMix) {
  Retention retention({kMaxSequence}, [](std::string_view) { return true; });
  EXPECT_TRUE(retention.Keep({"", PackTrailer(4, Kind::kPut)}));
  EXPECT_FALSE(retention.Keep({"", PackTrailer(3, Kind::kPut)}));
  EXPECT_TRUE(retention.Keep({"a", PackTrailer(2, Kind::kPut)}));
  EXPECT_TRUE(retention.Keep({"ab", PackTrailer(1, Kind::kPut)}));
}

}  // namespace
}  // namespace sisyphus::lsm
