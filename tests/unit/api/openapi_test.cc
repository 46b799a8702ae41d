// The description and the route table name the same operations. What they answer is compared by
// tests/chaos/openapi_test.py.

#include "api/openapi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "api/routes.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

json Description() { return json::parse(OpenApiDescription()); }

// "/v1/leases/{id}/keepalive" -> "/v1/leases/1/keepalive"
std::string Sample(std::string path) {
  size_t begin = 0;
  while ((begin = path.find('{')) != std::string::npos) {
    path.replace(begin, path.find('}') - begin + 1, "1");
  }
  return path;
}

Method MethodOf(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return MethodFromToken(name);
}

TEST(OpenApi, DescribesEveryRouteAndNoOther) {
  std::set<const Action*> described;
  std::set<const Action*> with_body;
  const json paths = Description()["paths"];
  for (const auto& [path, item] : paths.items()) {
    size_t index = 0;
    const Route* route = FindRoute(Sample(path), {}, &index);
    ASSERT_NE(route, nullptr) << path << " is described and not served";
    for (const auto& [name, operation] : item.items()) {
      if (name == "parameters") continue;
      const Action* action = route->Find(MethodOf(name));
      ASSERT_NE(action, nullptr) << name << " " << path << " is described and not served";
      described.insert(action);
      if (!operation.contains("requestBody")) continue;
      with_body.insert(action);
      EXPECT_NE(action->body, Body::kIgnored) << name << " " << path << ": its body is ignored";
    }
  }
  for (const Route& route : Routes()) {
    for (const Action& action : route.actions) {
      EXPECT_TRUE(described.contains(&action))
          << MethodName(action.method) << " " << route.endpoint << " is not in openapi.json";
      EXPECT_EQ(with_body.contains(&action), action.body != Body::kIgnored)
          << MethodName(action.method) << " " << route.endpoint << ": whether it takes a body";
    }
  }
}

// Every "$ref" leads somewhere, and every component is used.
TEST(OpenApi, IsWhole) {
  const json description = Description();
  std::set<std::string> used;
  const auto walk = [&](const auto& self, const json& value) -> void {
    if (value.is_object() && value.contains("$ref")) {
      const std::string target = value["$ref"].get<std::string>().substr(1);
      EXPECT_TRUE(description.contains(json::json_pointer(target))) << target;
      used.insert(target);
    }
    if (!value.is_structured()) return;  // A number would be a list of itself.
    for (const auto& part : value) self(self, part);
  };
  walk(walk, description);
  std::set<std::string> operations;
  for (const auto& [kind, components] : description["components"].items()) {
    for (const auto& [name, component] : components.items()) {
      // The events of a watch are no JSON documents: nothing refers to them.
      EXPECT_TRUE(name.starts_with("Watch") || used.contains("/components/" + kind + "/" + name))
          << kind << " " << name << " is used by nothing";
    }
  }
  for (const auto& item : description["paths"]) {
    for (const auto& [name, operation] : item.items()) {
      if (name == "parameters") continue;
      const std::string id = operation.value("operationId", "");
      EXPECT_TRUE(operations.insert(id).second) << "operationId " << id << " comes twice";
    }
  }
}

TEST(OpenApi, IsServed) {
  TestNode node;
  RawClient client(node.address());
  const RawAnswer answer = client.Ask(Request("GET", "/openapi.json"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, OpenApiDescription());
  EXPECT_EQ(json::parse(answer.body)["openapi"], "3.1.0");
}

}  // namespace
}  // namespace sisyphus::api
