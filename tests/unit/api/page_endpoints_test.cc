// The status page's files. What the page does in a browser: tests/page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/page_files.h"
#include "tests/unit/api/expect_problem.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using testing::HasSubstr;

TEST(PageEndpoints, EveryFileIsServedAndMayOnlyRunItself) {
  TestNode node;
  RawClient client(node.address());
  EXPECT_THAT(client.Ask(Request("GET", "/")).body, HasSubstr("<!DOCTYPE html>"));
  ASSERT_FALSE(PageFiles().empty());
  for (const PageFile& file : PageFiles()) {
    const RawAnswer answer = client.Ask(Request("GET", "/ui/" + std::string(file.name)));
    EXPECT_EQ(answer.status, 200) << file.name;
    EXPECT_EQ(answer.body, file.content) << file.name;
    EXPECT_THAT(answer.header("Content-Security-Policy"),
                HasSubstr("default-src 'none'; script-src 'self'"));
    EXPECT_EQ(answer.header("X-Content-Type-Options"), "nosniff");
  }
  EXPECT_EQ(client.Ask(Request("GET", "/ui/page.css")).header("Content-Type"),
            "text/css; charset=utf-8");
  ExpectProblem(client.Ask(Request("GET", "/ui/../main.js")), {404, "not_found", false, false});
  ExpectProblem(client.Ask(Request("GET", "/ui/")), {404, "not_found", false, false});
  ExpectProblem(client.Ask(Request("POST", "/")), {405, "method_not_allowed", false, false});
}

TEST(PageEndpoints, SettingsSayWhetherItWrites) {
  for (const bool writes : {false, true}) {
    TestNode::TestOptions options;
    options.server.status_page_writes = writes;
    TestNode node(std::move(options));
    RawClient client(node.address());
    EXPECT_EQ(client.Ask(Request("GET", "/ui/settings.json")).body,
              writes ? R"({"writes":true})" : R"({"writes":false})");
  }
}

TEST(PageEndpoints, CanBeSwitchedOff) {
  TestNode::TestOptions options;
  options.server.serve.status_page = false;
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (const char* target : {"/", "/ui/main.js", "/ui/settings.json"}) {
    EXPECT_EQ(client.Ask(Request("GET", target)).status, 404) << target;
  }
}

}  // namespace
}  // namespace sisyphus::api
