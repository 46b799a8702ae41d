// How far an export or an import is, in words.
#include "tools/sicli/transfer/progress_bar.h"

#include <gtest/gtest.h>

namespace sisyphus::sicli {
namespace {

using std::chrono::seconds;

TEST(ProgressBarTest, ShareSpeedAndTimeLeft) {
  const Progress before;
  EXPECT_EQ(
      ProgressText({.keys = 310, .bytes = 4 << 20, .done = 310, .total = 1000}, before, seconds(4)),
      "[======>             ]  31 %  310 keys  4.0 MiB  1.0 MiB/s  0:08 left");
  EXPECT_EQ(
      ProgressText({.keys = 1000, .bytes = 512, .done = 1000, .total = 1000}, before, seconds(1)),
      "[====================] 100 %  1000 keys  512 B  512 B/s");
  EXPECT_EQ(ProgressText({.total = 10}, before, seconds(0)),
            "[>                   ]   0 %  0 keys  0 B  0 B/s");
}

TEST(ProgressBarTest, WithoutATotalThereIsNoShare) {
  EXPECT_EQ(ProgressText({.keys = 2, .bytes = 2048, .done = 2}, {}, seconds(1)),
            "2 keys  2.0 KiB  2.0 KiB/s");
}

TEST(ProgressBarTest, WhatWasDoneBeforeCountsForTheShareAlone) {
  const Progress before{.keys = 50, .bytes = 1 << 20, .done = 50, .total = 100};
  EXPECT_EQ(
      ProgressText({.keys = 75, .bytes = 2 << 20, .done = 75, .total = 100}, before, seconds(1)),
      "[===============>    ]  75 %  75 keys  2.0 MiB  1.0 MiB/s  0:01 left");
}

}  // namespace
}  // namespace sisyphus::sicli
