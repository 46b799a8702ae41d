// StrongInt<Tag>: a 64-bit unsigned number that cannot be mistaken for another kind of number.
//
// Comparison and stepping stay as light as on the bare integer; mixing two kinds does not compile.
#ifndef SISYPHUS_BASE_STRONG_INT_H_
#define SISYPHUS_BASE_STRONG_INT_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace sisyphus {

template <typename Tag>
class StrongInt {
 public:
  constexpr StrongInt() = default;
  explicit constexpr StrongInt(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }

  constexpr auto operator<=>(const StrongInt&) const = default;

  constexpr StrongInt& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongInt Next() const { return StrongInt(value_ + 1); }
  // Requires: value() > 0.
  constexpr StrongInt Previous() const { return StrongInt(value_ - 1); }
  friend constexpr StrongInt operator+(StrongInt a, uint64_t n) { return StrongInt(a.value_ + n); }
  friend constexpr StrongInt operator-(StrongInt a, uint64_t n) { return StrongInt(a.value_ - n); }
  // Distance; requires a >= b.
  friend constexpr uint64_t operator-(StrongInt a, StrongInt b) { return a.value_ - b.value_; }

  friend std::ostream& operator<<(std::ostream& os, StrongInt n) { return os << n.value_; }
  friend std::string ToString(StrongInt n) { return std::to_string(n.value_); }

  template <typename H>
  friend H AbslHashValue(H h, StrongInt n) {
    return H::combine(std::move(h), n.value_);
  }

 private:
  uint64_t value_ = 0;
};

}  // namespace sisyphus

template <typename Tag>
struct std::hash<sisyphus::StrongInt<Tag>> {
  size_t operator()(sisyphus::StrongInt<Tag> n) const noexcept {
    return std::hash<uint64_t>()(n.value());
  }
};

#endif  // SISYPHUS_BASE_STRONG_INT_H_
