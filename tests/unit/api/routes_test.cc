#include "api/routes.h"

#include <gtest/gtest.h>

#include <set>

#include "api/server.h"

namespace sisyphus::api {
namespace {

std::string EndpointOf(std::string_view path, const ServedGroups& served = {}) {
  size_t index = 0;
  const Route* route = FindRoute(path, served, &index);
  if (route == nullptr) return "";
  EXPECT_EQ(&Routes()[index], route);
  return std::string(route->endpoint);
}

TEST(Routes, FindsByWholePathOrPrefix) {
  EXPECT_EQ(EndpointOf("/v1/kv/a"), "/v1/kv/{key}");
  EXPECT_EQ(EndpointOf("/v1/kv/a/b"), "/v1/kv/{key}");
  EXPECT_EQ(EndpointOf("/v1/kv/"), "/v1/kv/{key}");
  EXPECT_EQ(EndpointOf("/v1/kv"), "/v1/kv");
  EXPECT_EQ(EndpointOf("/v1/kvx"), "");
  EXPECT_EQ(EndpointOf("/v1/cluster"), "/v1/cluster");
  EXPECT_EQ(EndpointOf("/v1/cluster/"), "");
  EXPECT_EQ(EndpointOf("/"), "/");
  EXPECT_EQ(EndpointOf("/ui/main.js"), "/ui/{file}");
  EXPECT_EQ(EndpointOf("/%6Civez"), "");
}

TEST(Routes, GroupsCanBeSwitchedOff) {
  for (const char* path : {"/put", "/get", "/delete"}) {
    EXPECT_EQ(EndpointOf(path, {.simple = true, .status_page = false}), path);
    EXPECT_EQ(EndpointOf(path, {.simple = false}), "");
  }
  for (const char* path : {"/", "/ui/page.css"}) {
    EXPECT_NE(EndpointOf(path, {.simple = false}), "");
    EXPECT_EQ(EndpointOf(path, {.status_page = false}), "");
  }
  EXPECT_EQ(EndpointOf("/livez", {.simple = false, .status_page = false}), "/livez");
}

TEST(Routes, EveryRouteHasItsOwnPathAndListsItsMethods) {
  std::set<std::string_view> paths;
  for (const Route& route : Routes()) {
    EXPECT_TRUE(paths.insert(route.path).second) << route.path;
    std::string allow;
    for (const Action& action : route.actions) {
      EXPECT_EQ(route.Find(action.method), &action);
      allow += (allow.empty() ? "" : ", ") + std::string(MethodName(action.method));
    }
    EXPECT_EQ(route.Allow(), allow);
    EXPECT_EQ(route.Find(Method::kOther), nullptr);
  }
}

}  // namespace
}  // namespace sisyphus::api
