#include "api/connection_gate.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sisyphus::api {
namespace {

boost::asio::ip::address Address(const std::string& text) {
  return boost::asio::ip::make_address(text);
}

TEST(ConnectionGate, CountsInAllAndByAddress) {
  ConnectionGate gate(3, 2);
  std::optional<ConnectionGate::Pass> first(gate.Enter(Address("10.0.0.1")));
  const ConnectionGate::Pass second = gate.Enter(Address("10.0.0.1"));
  EXPECT_EQ(first->admission(), Admission::kServed);
  EXPECT_EQ(second.admission(), Admission::kServed);
  EXPECT_EQ(gate.Enter(Address("10.0.0.1")).admission(), Admission::kTooManyOfThisPeer);
  EXPECT_EQ(gate.Enter(Address("::ffff:10.0.0.1")).admission(), Admission::kTooManyOfThisPeer);
  const ConnectionGate::Pass third = gate.Enter(Address("10.0.0.2"));
  EXPECT_EQ(third.admission(), Admission::kServed);
  EXPECT_EQ(gate.Enter(Address("10.0.0.3")).admission(), Admission::kTooMany);
  first.reset();
  EXPECT_EQ(gate.stats().open, 2u);
  EXPECT_EQ(gate.Enter(Address("10.0.0.1")).admission(), Admission::kServed);
  EXPECT_EQ(gate.stats().open, 2u);
  EXPECT_EQ(gate.stats().accepted, 4u);
  EXPECT_EQ(gate.stats().refused_by_address, 2u);
  EXPECT_EQ(gate.stats().refused_by_total, 1u);
}

TEST(ConnectionGate, TellsOnlySoManyAtOnce) {
  ConnectionGate gate(1, 1);
  const ConnectionGate::Pass served = gate.Enter(Address("10.0.0.1"));
  std::vector<ConnectionGate::Pass> told;
  while (true) {
    ConnectionGate::Pass pass = gate.Enter(Address("10.0.0.2"));
    if (pass.admission() == Admission::kDropped) break;
    ASSERT_EQ(pass.admission(), Admission::kTooMany);
    told.push_back(std::move(pass));
    ASSERT_LT(told.size(), 1'000u);
  }
  EXPECT_EQ(gate.stats().open, 1u);
  told.pop_back();
  EXPECT_EQ(gate.Enter(Address("10.0.0.2")).admission(), Admission::kTooMany);
}

TEST(ConnectionGate, APassIsReturnedOnce) {
  ConnectionGate gate(1, 1);
  {
    ConnectionGate::Pass pass = gate.Enter(Address("10.0.0.1"));
    ConnectionGate::Pass moved = std::move(pass);
    EXPECT_EQ(gate.stats().open, 1u);
    moved.Return();
    EXPECT_EQ(gate.stats().open, 0u);
  }
  EXPECT_EQ(gate.stats().open, 0u);
}

TEST(ConnectionGate, ANetworkOfIpv6IsOneAddress) {
  const auto key = [](const char* text) { return ConnectionGate::KeyOf(Address(text)); };
  EXPECT_EQ(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::4"));
  EXPECT_NE(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
  EXPECT_NE(key("10.0.0.1"), key("10.0.0.2"));
  EXPECT_EQ(key("10.0.0.1"), key("::ffff:10.0.0.1"));
  EXPECT_NE(key("::1"), key("127.0.0.1"));
}

}  // namespace
}  // namespace sisyphus::api
