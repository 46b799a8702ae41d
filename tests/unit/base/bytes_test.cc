// Encoding, checksums, random numbers, statuses, checks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/entropy.h"
#include "base/rng.h"
#include "base/status.h"

namespace sisyphus {
namespace {

TEST(CodingTest, ReadsBackWhatWasPut) {
  std::string bytes;
  PutFixed16(&bytes, 0xbeef);
  PutFixed32(&bytes, 0xdeadbeef);
  PutFixed64(&bytes, 0x0123456789abcdef);
  PutLengthPrefixed(&bytes, "sisyphus");
  PutLengthPrefixed(&bytes, "");
  EXPECT_EQ(bytes.substr(0, 2), "\xef\xbe");  // Little-endian.
  Decoder in(bytes);
  EXPECT_EQ(in.Fixed16(), 0xbeef);
  EXPECT_EQ(in.Fixed32(), 0xdeadbeef);
  EXPECT_EQ(in.Fixed64(), 0x0123456789abcdef);
  EXPECT_EQ(in.LengthPrefixed(), "sisyphus");
  EXPECT_EQ(in.LengthPrefixed(), "");
  EXPECT_TRUE(in.Done());
}

TEST(CodingTest, VarintsAtEveryWidth) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const uint64_t value :
         {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, ~uint64_t{0} >> bit}) {
      std::string bytes;
      PutVarint64(&bytes, value);
      ASSERT_LE(bytes.size(), kMaxVarint64Bytes);
      Decoder in(bytes);
      EXPECT_EQ(in.Varint64(), value);
      EXPECT_TRUE(in.Done());
      for (size_t cut = 0; cut < bytes.size(); ++cut) {
        Decoder broken(std::string_view(bytes).substr(0, cut));
        EXPECT_EQ(broken.Varint64(), 0u);
        EXPECT_FALSE(broken.ok());
      }
    }
  }
}

TEST(CodingTest, RefusesVarintsThatDoNotFit) {
  for (const std::string& bytes : {std::string(10, '\x80') + '\x01',
                                   std::string(9, '\xff') + '\x02', std::string(11, '\xff')}) {
    Decoder in(bytes);
    EXPECT_EQ(in.Varint64(), 0u);
    EXPECT_FALSE(in.ok());
  }
}

TEST(CodingTest, StaysBrokenAfterTheFirstReadPastTheEnd) {
  Decoder in("abcdef");
  EXPECT_EQ(in.Fixed64(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.Byte(), 0u);
  EXPECT_EQ(in.Bytes(1), "");
  EXPECT_FALSE(in.Done());
  std::string huge;
  PutVarint64(&huge, ~uint64_t{0});
  huge += "x";
  Decoder length(huge);
  EXPECT_EQ(length.LengthPrefixed(), "");
  EXPECT_FALSE(length.ok());
}

// The value for no bytes and seed 0, from the xxHash specification's reference implementation: the
// formats on disk depend on it.
TEST(ChecksumTest, IsXxh3) {
  EXPECT_EQ(Checksum(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Checksum("sisyphus"), Checksum("sisyphus", 0));
  EXPECT_NE(Checksum("sisyphus", 1), Checksum("sisyphus", 2));
  EXPECT_NE(Checksum("sisyphus"), Checksum("sisyphuS"));
}

TEST(RngTest, TheSameSeedGivesTheSameNumbers) {
  Rng a(42);
  Rng b(42);
  Rng c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    differs |= value != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(RngTest, DrawsEveryValueInsideItsBoundsAboutEquallyOften) {
  Rng rng(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts.at(rng.Below(6));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(rng.Between(5, 5), 5u);
    EXPECT_LE(rng.Between(3, 9) - 3, 6u);
    const double u = rng.Uniform();
    EXPECT_GE(u, 0.0);
    EXPECT_LT(u, 1.0);
    EXPECT_TRUE(rng.Chance(1, 1));
    EXPECT_FALSE(rng.Chance(0, 1));
  }
  EXPECT_NE(rng.Between(0, UINT64_MAX), rng.Between(0, UINT64_MAX));
  EXPECT_NE(rng.Below(UINT64_MAX), rng.Below(UINT64_MAX));
}

TEST(RngTest, AForkHasAStreamOfItsOwn) {
  Rng a(1);
  Rng b(1);
  Rng fork_a = a.Fork();
  Rng fork_b = b.Fork();
  (void)a.Next();
  EXPECT_EQ(fork_a.Next(), fork_b.Next());
  EXPECT_NE(fork_a.Next(), b.Next());
}

TEST(EntropyTest, TwoDrawsDiffer) { EXPECT_NE(OsEntropy(), OsEntropy()); }

TEST(StatusTest, ErrnoBecomesACodeAndNamesThePlace) {
  const Status full = ErrnoStatus(ENOSPC, "write /data/1.log");
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(MessageOf(full), "write /data/1.log: No space left on device");
  EXPECT_EQ(ErrnoStatus(EDQUOT, "x").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "x").code(), StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EEXIST, "x").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(EIO, "x").code(), StatusCode::kInternal);
}

TEST(StatusTest, ContextKeepsTheCode) {
  const Status status = WithContext(MakeStatus(StatusCode::kDataLoss, "bad"), "file f");
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(MessageOf(status), "file f: bad");
  EXPECT_TRUE(WithContext(OkStatus(), "file f").ok());
}

TEST(CheckDeathTest, SaysWhatDidNotHold) {
  EXPECT_DEATH(SIS_CHECK(1 > 2, "numbers"), "bytes_test.cc:.*check failed: 1 > 2: numbers");
  SIS_CHECK(2 > 1, "not evaluated");
}

}  // namespace
}  // namespace sisyphus
