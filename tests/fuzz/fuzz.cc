#include "tests/fuzz/fuzz.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace sisyphus::fuzz {
namespace {

constexpr size_t kMaxInputBytes = 64 << 10;
constexpr size_t kShownBytes = 2'000;

// Numbers at which something changes its mind.
constexpr uint64_t kNumbers[] = {0,
                                 1,
                                 7,
                                 8,
                                 9,
                                 0x7F,
                                 0x80,
                                 0xFF,
                                 0x100,
                                 0x3FFF,
                                 0x4000,
                                 0xFFFF,
                                 65'536,
                                 1 << 20,
                                 1 << 24,
                                 0x7FFFFFFF,
                                 0xFFFFFFFF,
                                 1ull << 32,
                                 1ull << 40,
                                 0x7FFFFFFFFFFFFFFF,
                                 0x8000000000000000,
                                 UINT64_MAX};

std::string Number(Rng& rng) {
  const uint64_t value = kNumbers[rng.Below(std::size(kNumbers))];
  std::string bytes;
  switch (rng.Below(4)) {
    case 0:  // Little-endian.
      bytes.resize(size_t{1} << rng.Below(4));
      std::memcpy(bytes.data(), &value, bytes.size());
      return bytes;
    case 1:  // A varint.
      for (uint64_t rest = value;; rest >>= 7) {
        bytes.push_back(static_cast<char>((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)));
        if (rest <= 0x7F) return bytes;
      }
    case 2:
      return std::to_string(value);
    default:
      return std::string(rng.Below(12), static_cast<char>(0xFF));  // A varint without end.
  }
}

std::string Noise(Rng& rng, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.Below(256));
  return bytes;
}

}  // namespace

GuardedMemory::GuardedMemory(size_t capacity) : guard_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
  capacity_ = (capacity + guard_ - 1) / guard_ * guard_;
  void* const memory =
      mmap(nullptr, capacity_ + guard_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SIS_CHECK(memory != MAP_FAILED, "mmap");
  begin_ = static_cast<char*>(memory);
  SIS_CHECK(mprotect(begin_ + capacity_, guard_, PROT_NONE) == 0, "mprotect");
}

GuardedMemory::~GuardedMemory() { munmap(begin_, capacity_ + guard_); }

std::string_view GuardedMemory::Place(std::string_view bytes) {
  SIS_CHECK(bytes.size() <= capacity_, "too large");
  char* const at = begin_ + capacity_ - bytes.size();
  std::copy(bytes.begin(), bytes.end(), at);
  return {at, bytes.size()};
}

std::string Mutate(Rng& rng, std::string input, const std::string& other) {
  const auto position = [&](size_t size) { return static_cast<size_t>(rng.Below(size + 1)); };
  for (uint64_t changes = rng.Between(1, 4); changes > 0; --changes) {
    const size_t at = position(input.size());
    const size_t length = std::min<size_t>(input.size() - at, rng.Below(20));
    switch (rng.Below(9)) {
      case 0:  // A bit.
        if (at < input.size()) input[at] ^= static_cast<char>(1 << rng.Below(8));
        break;
      case 1:  // A byte.
        if (at < input.size()) input[at] = static_cast<char>(rng.Below(256));
        break;
      case 2:
        input.insert(at, Noise(rng, rng.Below(4)));
        break;
      case 3:
        input.insert(at, Number(rng));
        break;
      case 4:
        input.replace(at, length, Number(rng));
        break;
      case 5:
        input.erase(at, length);
        break;
      case 6:
        input.insert(at, input.substr(at, length));
        break;
      case 7:  // The end of another one.
        input.replace(at, std::string::npos, other.substr(position(other.size())));
        break;
      default:
        input.resize(at);
        break;
    }
  }
  if (input.size() > kMaxInputBytes) input.resize(kMaxInputBytes);
  return input;
}

void Run(const std::vector<std::string>& seeds, size_t runs, const Target& target) {
  GuardedMemory memory(kMaxInputBytes);
  size_t understood = 0;
  const auto run = [&](const std::string& input) {
    SCOPED_TRACE(Escaped(input));
    if (target(memory.Place(input))) ++understood;
    return !::testing::Test::HasFailure();
  };
  for (const std::string& seed : seeds) {
    if (!run(seed)) return;
  }
  EXPECT_EQ(understood, seeds.size()) << "a seed means nothing";
  const char* const chosen = std::getenv("SISYPHUS_FUZZ_SEED");
  Rng rng(chosen == nullptr ? 1 : std::strtoull(chosen, nullptr, 10));
  for (size_t i = 0; i < runs; ++i) {
    const std::string& seed = seeds[rng.Below(seeds.size())];
    const std::string& other = seeds[rng.Below(seeds.size())];
    if (!run(rng.Chance(1, 50) ? Noise(rng, rng.Below(200)) : Mutate(rng, seed, other))) return;
  }
  EXPECT_GT(understood, seeds.size());
  EXPECT_LT(understood, seeds.size() + runs);
  std::printf("%zu of %zu inputs meant something\n", understood, seeds.size() + runs);
}

std::string Escaped(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = std::to_string(bytes.size()) + " bytes: \"";
  for (const char c : bytes.substr(0, kShownBytes)) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      text.append({'\\', c});
    } else if (byte >= 0x20 && byte < 0x7F) {
      text.push_back(c);
    } else {
      text.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return text + (bytes.size() > kShownBytes ? "\"..." : "\"");
}

}  // namespace sisyphus::fuzz
