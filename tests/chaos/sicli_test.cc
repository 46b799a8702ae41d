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
constexpr int kCompareFailed = 4;
constexpr int kUnavailable = 5;
constexpr int kOutcomeUnknown = 6;
constexpr int kRefused = 7;

CommandResult Sicli(std::vector<std::string> arguments, const std::string& input = "",
                    std::vector<std::pair<std::string, std::string>> environment = {}) {
  arguments.insert(arguments.begin(), SICLI_PATH);
  // Nobody's own settings.
  if (environment.empty()) environment = {{"HOME", "/nonexistent"}, {"XDG_CONFIG_HOME", ""}};
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

TEST_F(SicliTest, Conditions) {
  StartNodes(1);
  ASSERT_EQ(At(1, {"put", "--if-absent", "k", "one"}).exit_code, kOk);
  ExpectError(At(1, {"put", "--if-absent", "k", "two"}), kCompareFailed);
  const std::string detail = At(1, {"get", "--detail", "k"}).out;
  ASSERT_THAT(detail, StartsWith("key k\ncreate_revision "));
  const std::string revision = std::to_string(std::stoull(detail.substr(22)));
  EXPECT_THAT(detail, HasSubstr("mod_revision " + revision + "\nversion 1\nsize 3\n"));
  ASSERT_EQ(At(1, {"put", "--if-revision", revision, "k", "three"}).exit_code, kOk);
  ExpectError(At(1, {"put", "--if-revision", revision, "k", "four"}), kCompareFailed);
  ExpectError(At(1, {"delete", "--if-revision", revision, "k"}), kCompareFailed);
  EXPECT_EQ(At(1, {"get", "k"}).out, "three");
  EXPECT_THAT(At(1, {"get", "--detail", "k"}).out, HasSubstr("version 2\n"));
  for (const char* consistency : {"linearizable", "lease", "stale"}) {
    EXPECT_EQ(At(1, {"get", "--consistency", consistency, "k"}).out, "three") << consistency;
  }
}

TEST_F(SicliTest, ValuesFromFiles) {
  StartNodes(1);
  const ScratchDirectory directory;
  const std::string value("bytes\0and\nmore", 14);
  WriteFile(directory.path() + "/value", value);
  ASSERT_EQ(At(1, {"put", "k", "@" + directory.path() + "/value"}).exit_code, kOk);
  EXPECT_EQ(At(1, {"get", "k"}).out, value);
  ASSERT_EQ(At(1, {"put", "k", "@@me"}).exit_code, kOk);
  EXPECT_EQ(At(1, {"get", "k"}).out, "@me");
}

// No server is needed: what would be asked, and why.
class SicliConfigTest : public testing::Test {
 protected:
  CommandResult In(std::vector<std::string> arguments,
                   std::vector<std::pair<std::string, std::string>> more = {}) {
    more.insert(more.begin(), {{"HOME", home_.path()}, {"XDG_CONFIG_HOME", ""}});
    return Sicli(std::move(arguments), "", more);
  }
  std::string Addr(const std::vector<std::string>& flags = {},
                   const std::vector<std::pair<std::string, std::string>>& more = {}) {
    std::vector<std::string> arguments = {"config", "show", "--origin"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const CommandResult shown = In(arguments, more);
    EXPECT_EQ(shown.exit_code, kOk) << shown.err;
    return shown.out.substr(0, shown.out.find('\n'));
  }
  const ScratchDirectory home_;
};

TEST_F(SicliConfigTest, FlagOverEnvironmentOverContextOverDefault) {
  EXPECT_EQ(Addr(), "addr\thttp://127.0.0.1:8001\tdefault");
  ASSERT_EQ(In({"config", "set", "addr", "127.0.0.1:1,127.0.0.1:2"}).exit_code, kOk);
  const std::string file = home_.path() + "/.config/sicli/config.json";
  EXPECT_EQ(Addr(), "addr\t127.0.0.1:1,127.0.0.1:2\tcontext default (" + file + ")");
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"SICLI_ADDR", "127.0.0.1:3"}};
  EXPECT_EQ(Addr({}, environment), "addr\t127.0.0.1:3\tenvironment SICLI_ADDR");
  EXPECT_EQ(Addr({"--server-url", "127.0.0.1:4"}, environment), "addr\t127.0.0.1:4\tflag --addr");
}

TEST_F(SicliConfigTest, Contexts) {
  ASSERT_EQ(In({"config", "set", "timeout", "3s", "--context", "prod"}).exit_code, kOk);
  ASSERT_EQ(In({"config", "set", "addr", "127.0.0.1:5", "--context", "test"}).exit_code, kOk);
  EXPECT_THAT(In({"config", "show"}).out, HasSubstr("context\tprod (current)\ncontext\ttest\n"));
  EXPECT_THAT(In({"config", "show", "--context", "test"}).out, StartsWith("addr\t127.0.0.1:5\n"));
  EXPECT_THAT(In({"config", "show"}, {{"SICLI_CONTEXT", "test"}}).out,
              StartsWith("addr\t127.0.0.1:5\n"));
  ASSERT_EQ(In({"config", "use-context", "test"}).exit_code, kOk);
  EXPECT_THAT(In({"config", "show"}).out, StartsWith("addr\t127.0.0.1:5\n"));
  ASSERT_EQ(In({"config", "unset", "addr"}).exit_code, kOk);
  EXPECT_THAT(In({"config", "show"}).out, StartsWith("addr\thttp://127.0.0.1:8001\n"));
  ExpectError(In({"config", "unset", "addr"}), kNotFound);
  ExpectError(In({"config", "use-context", "none"}), kNotFound);
}

TEST_F(SicliConfigTest, ReadsTheOlderFileUntilThereIsANewOne) {
  const std::string older = home_.path() + "/.sicli-config.json";
  WriteFile(older, R"({"server_url": "http://127.0.0.1:9", "timeout": 2})");
  EXPECT_EQ(Addr(), "addr\thttp://127.0.0.1:9\tcontext default (" + older + ")");
  ASSERT_EQ(In({"config", "set", "timeout", "4s"}).exit_code, kOk);
  EXPECT_THAT(Addr(),
              HasSubstr("http://127.0.0.1:9\tcontext default (" + home_.path() + "/.config"));
}

TEST_F(SicliConfigTest, ABrokenFileIsNamed) {
  ASSERT_EQ(In({"config", "set", "timeout", "4s"}).exit_code, kOk);
  const std::string file = home_.path() + "/.config/sicli/config.json";
  for (const char* content :
       {"", "junk", "[]", R"({"contexts": 1})", R"({"contexts": {"a": 1}})", R"({"current": 1})",
        R"({"contexts": {"a": {"timeout": 1}}})", R"({"contexts": {"a": {"timeout": "soon"}}})",
        R"({"contexts": {"a": {"colour": "red"}}})"}) {
    WriteFile(file, content);
    const CommandResult result = In({"get", "k"});
    ExpectError(result, kUsage);
    EXPECT_THAT(result.err, HasSubstr(file)) << content;
  }
}

TEST_F(SicliTest, LargeValuesAndTheLimit) {
  StartNodes(1);
  const std::string large(16 << 20, 'x');
  EXPECT_EQ(At(1, {"put", "large", "-"}, large).exit_code, kOk);
  EXPECT_TRUE(At(1, {"get", "large"}).out == large);
  const CommandResult refused = At(1, {"put", "larger", "-"}, large + "x");
  ExpectError(refused, kRefused);
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
                                             {"get", "--consistency", "some", "key"},
                                             {"put", "--if-revision", "-1", "key", "value"},
                                             {"put", "--if-absent", "--if-revision", "1", "k", "v"},
                                             {"put", "key", "@/no/such/file"},
                                             {"config"},
                                             {"config", "set", "colour", "red"},
                                             {"config", "set", "timeout", "soon"},
                                             {"config", "set", "addr", "https://h:1"},
                                             {"--context", "none", "get", "key"},
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
      Sicli({"get", "k"}, "", {{"HOME", "/"}, {"SICLI_ADDR", nobody.address() + "," + good}});
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
    EXPECT_THAT(status.out, StartsWith("1\t"));
    EXPECT_EQ(std::count(status.out.begin(), status.out.end(), '\n'), 3) << status.out;
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
