// Every command and exit code of sicli, on real nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/chaos/cluster.h"

namespace sisyphus::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kOk = 0;
constexpr int kOther = 1;
constexpr int kUsage = 2;
constexpr int kNotFound = 3;
constexpr int kUnavailable = 5;
constexpr int kOutcomeUnknown = 6;

CommandResult Sicli(std::vector<std::string> arguments, const std::string& input = "",
                    const std::vector<std::pair<std::string, std::string>>& environment = {}) {
  arguments.insert(arguments.begin(), SICLI_PATH);
  return Run(arguments, input, environment);
}

// Errors go to standard error, in one line; nothing to standard output.
void ExpectError(const CommandResult& result, int exit_code) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("sicli: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

class SicliTest : public testing::Test {
 protected:
  void StartNodes(int size) {
    cluster_ = std::make_unique<Cluster>(size);
    cluster_->StartAll();
    ASSERT_TRUE(cluster_->WaitReady(cluster_->ids()));
  }
  CommandResult At(uint64_t id, std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"--addr", "http://" + cluster_->http_address(id)});
    return Sicli(arguments, input);
  }

  std::unique_ptr<Cluster> cluster_;
};

TEST_F(SicliTest, PutGetDelete) {
  StartNodes(1);
  const CommandResult put = At(1, {"put", "hello", "world"});
  EXPECT_EQ(put.exit_code, kOk) << put.err;
  EXPECT_THAT(put.out, StartsWith("revision "));
  const CommandResult get = At(1, {"get", "hello"});
  EXPECT_EQ(get.exit_code, kOk) << get.err;
  EXPECT_EQ(get.out, "world") << "no newline when it is not a terminal";
  EXPECT_EQ(At(1, {"delete", "hello"}).out, "deleted 1\n");
  ExpectError(At(1, {"get", "hello"}), kNotFound);
  const CommandResult again = At(1, {"delete", "hello"});
  EXPECT_EQ(again.exit_code, kOk);
  EXPECT_EQ(again.out, "deleted 0\n");
}

TEST_F(SicliTest, KeysAndValuesAreBytes) {
  StartNodes(1);
  std::string value;
  for (int i = 0; i < 4096; ++i) value.push_back(static_cast<char>(i));
  for (const std::string key :
       {"a/b c%2F+?#&=", "..", "\xff\x01\n", "\xc3\xa9", "-key", "%", "+"}) {
    const CommandResult put = At(1, {"put", "--", key, "-"}, value + key);
    EXPECT_EQ(put.exit_code, kOk) << put.err;
    const CommandResult get = At(1, {"get", "--", key});
    EXPECT_EQ(get.exit_code, kOk) << get.err;
    EXPECT_EQ(get.out, value + key);
  }
  EXPECT_EQ(At(1, {"put", "empty", "-"}, "").exit_code, kOk);
  EXPECT_EQ(At(1, {"get", "empty"}).out, "");
  EXPECT_EQ(At(1, {"put", "empty-argument", ""}).exit_code, kOk);
  EXPECT_EQ(At(1, {"get", "empty-argument"}).exit_code, kOk);
}

TEST_F(SicliTest, LargeValuesAndTheLimit) {
  StartNodes(1);
  const std::string large(16 << 20, 'x');
  EXPECT_EQ(At(1, {"put", "large", "-"}, large).exit_code, kOk);
  EXPECT_TRUE(At(1, {"get", "large"}).out == large);
  const CommandResult refused = At(1, {"put", "larger", "-"}, large + "x");
  ExpectError(refused, kOther);
  ExpectError(At(1, {"get", "larger"}), kNotFound);
}

TEST_F(SicliTest, Usage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"get"},
                                             {"put", "key"},
                                             {"put", "key", "value", "more"},
                                             {"get", "--no-such-flag", "key"},
                                             {"--timeout", "soon", "get", "key"},
                                             {"--timeout", "0", "get", "key"},
                                             {"--timeout", "-1", "get", "key"},
                                             {"--addr", "nonsense", "get", "key"},
                                             {"--addr", "https://127.0.0.1:1", "get", "key"},
                                             {"get", ""}}) {
    ExpectError(Sicli(arguments), kUsage);
  }
  const CommandResult help = Sicli({"--help"});
  EXPECT_EQ(help.exit_code, kOk);
  for (const char* command : {"put", "get", "delete", "status"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
  }
}

TEST_F(SicliTest, UnavailableWhenNobodyAnswers) {
  const ReservedPort nobody;
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"put", "k", "v"}, {"get", "k"}, {"delete", "k"}, {"status"}}) {
    std::vector<std::string> arguments = {"--timeout", "200ms", "--addr", nobody.address()};
    arguments.insert(arguments.end(), command.begin(), command.end());
    ExpectError(Sicli(arguments), kUnavailable);
  }
}

TEST_F(SicliTest, AddressesAreTriedInTurnAndComeFromTheEnvironment) {
  StartNodes(1);
  const ReservedPort nobody;
  const std::string good = cluster_->http_address(1);
  const CommandResult put =
      Sicli({"put", "k", "v", "--addr", nobody.address(), "--addr", good, "--timeout", "20s"});
  EXPECT_EQ(put.exit_code, kOk) << put.err;
  const CommandResult get =
      Sicli({"get", "k"}, "", {{"SICLI_ADDR", nobody.address() + "," + good}});
  EXPECT_EQ(get.out, "v") << get.err;
}

TEST_F(SicliTest, LostQuorum) {
  StartNodes(3);
  const uint64_t leader = cluster_->WaitLeader(cluster_->ids());
  ASSERT_NE(leader, 0u);
  ASSERT_EQ(At(leader, {"put", "k", "v"}).exit_code, kOk);
  const std::vector<uint64_t> others = cluster_->Others(leader);
  for (const uint64_t id : others) cluster_->Freeze(id);
  // Proposed and never answered: it may still be applied.
  ExpectError(At(leader, {"--timeout", "1s", "put", "k", "w"}), kOutcomeUnknown);
  ExpectError(At(leader, {"--timeout", "1s", "get", "k"}), kUnavailable);
  // By and by the leader notices that it leads nobody, and refuses at once.
  const auto client = cluster_->MakeClient({leader}, std::chrono::seconds(2));
  ASSERT_TRUE(Eventually(kPatience, [&] { return !client->Ready().ok(); }));
  ExpectError(At(leader, {"--timeout", "1s", "put", "k", "x"}), kUnavailable);
  for (const uint64_t id : others) cluster_->Thaw(id);
}

TEST_F(SicliTest, StatusShowsEveryMember) {
  StartNodes(3);
  const uint64_t leader = cluster_->WaitLeader(cluster_->ids());
  ASSERT_NE(leader, 0u);
  for (const uint64_t asked : cluster_->ids()) {
    const CommandResult status = At(asked, {"status"});
    EXPECT_EQ(status.exit_code, kOk) << status.err;
    EXPECT_THAT(status.out, StartsWith("ID"));
    EXPECT_EQ(std::count(status.out.begin(), status.out.end(), '\n'), 4) << status.out;
    EXPECT_THAT(status.out, HasSubstr("leader")) << "asked node " << asked;
    for (const uint64_t id : cluster_->ids()) {
      EXPECT_THAT(status.out, HasSubstr(cluster_->http_address(id))) << "asked node " << asked;
    }
  }
  const uint64_t dead = cluster_->Others(leader)[0];
  cluster_->Kill(dead);
  ASSERT_TRUE(Eventually(kPatience, [&] {
    return At(leader, {"status"}).out.find("unreachable") != std::string::npos;
  }));
}

TEST_F(SicliTest, AClosedOutputIsAnError) {
  StartNodes(1);
  ASSERT_EQ(At(1, {"put", "k", "v"}).exit_code, kOk);
  Process process({.argv = {SICLI_PATH, "--addr", cluster_->http_address(1), "get", "k"},
                   .stdout_path = "/dev/full"});
  EXPECT_EQ(process.WaitExit(kPatience), kOther);
}

}  // namespace
}  // namespace sisyphus::chaos
