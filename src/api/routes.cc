#include "api/routes.h"

#include "api/handlers.h"
#include "api/server.h"

namespace sisyphus::api {
namespace {

constexpr Action kKeyActions[] = {
    {Method::kGet, HandleGet},
    {Method::kHead, HandleGet},
    {Method::kPut, HandlePut, Body::kValue},
    {Method::kDelete, HandleDelete},
};
constexpr Action kTxnActions[] = {{Method::kPost, HandleTxn, Body::kTxn}};
constexpr Action kLeasesActions[] = {{Method::kGet, HandleListLeases},
                                     {Method::kPost, HandleGrantLease, Body::kObject}};
constexpr Action kLeaseActions[] = {{Method::kGet, HandleGetLease},
                                    {Method::kPost, HandleKeepLeaseAlive, Body::kObject},
                                    {Method::kDelete, HandleRevokeLease}};
constexpr Action kRangeActions[] = {{Method::kGet, HandleRange},
                                    {Method::kDelete, HandleDeleteRange}};
constexpr Action kWatchActions[] = {{Method::kGet, HandleWatch}};
constexpr Action kCompactActions[] = {{Method::kPost, HandleCompact, Body::kObject}};
constexpr Action kClusterActions[] = {{Method::kGet, HandleCluster},
                                      {Method::kHead, HandleCluster}};
constexpr Action kMembersActions[] = {{Method::kPost, HandleAddMember, Body::kObject}};
constexpr Action kMemberActions[] = {{Method::kDelete, HandleRemoveMember},
                                     {Method::kPost, HandlePromoteMember}};
constexpr Action kTransferActions[] = {{Method::kPost, HandleTransferLeadership, Body::kObject}};
constexpr Action kLiveActions[] = {{Method::kGet, HandleLive}, {Method::kHead, HandleLive}};
constexpr Action kReadyActions[] = {{Method::kGet, HandleReady}, {Method::kHead, HandleReady}};
constexpr Action kMetricsActions[] = {{Method::kGet, HandleMetrics},
                                      {Method::kHead, HandleMetrics}};
constexpr Action kLogLevelActions[] = {{Method::kGet, HandleGetLogLevel},
                                       {Method::kPut, HandleSetLogLevel, Body::kObject}};
constexpr Action kVersionActions[] = {{Method::kGet, HandleVersion},
                                      {Method::kHead, HandleVersion}};
constexpr Action kOpenApiActions[] = {{Method::kGet, HandleOpenApi},
                                      {Method::kHead, HandleOpenApi}};
constexpr Action kPageActions[] = {{Method::kGet, HandlePage}, {Method::kHead, HandlePage}};
constexpr Action kSimplePutActions[] = {{Method::kGet, HandleSimplePut},
                                        {Method::kPost, HandleSimplePut}};
constexpr Action kSimpleGetActions[] = {{Method::kGet, HandleSimpleGet},
                                        {Method::kHead, HandleSimpleGet}};
constexpr Action kSimpleDeleteActions[] = {{Method::kGet, HandleSimpleDelete},
                                           {Method::kPost, HandleSimpleDelete},
                                           {Method::kDelete, HandleSimpleDelete}};

using enum EndpointGroup;

constexpr Route kRoutes[] = {
    {"/v1/kv/{key}", "/v1/kv/", kAlways, kKeyActions},
    {"/v1/txn", "/v1/txn", kAlways, kTxnActions},
    {"/v1/leases", "/v1/leases", kAlways, kLeasesActions},
    {"/v1/leases/{id}", "/v1/leases/", kAlways, kLeaseActions},
    {"/v1/kv", "/v1/kv", kAlways, kRangeActions},
    {"/v1/watch", "/v1/watch", kAlways, kWatchActions},
    {"/v1/compact", "/v1/compact", kAlways, kCompactActions},
    {"/v1/cluster", "/v1/cluster", kAlways, kClusterActions},
    {"/v1/members", "/v1/members", kAlways, kMembersActions},
    {"/v1/members/{id}", "/v1/members/", kAlways, kMemberActions},
    {"/v1/leader/transfer", "/v1/leader/transfer", kAlways, kTransferActions},
    {"/livez", "/livez", kAlways, kLiveActions},
    {"/readyz", "/readyz", kAlways, kReadyActions},
    {"/metrics", "/metrics", kAlways, kMetricsActions},
    {"/v1/log/level", "/v1/log/level", kAlways, kLogLevelActions},
    {"/version", "/version", kAlways, kVersionActions},
    {"/openapi.json", "/openapi.json", kAlways, kOpenApiActions},
    {"/put", "/put", kSimple, kSimplePutActions},
    {"/get", "/get", kSimple, kSimpleGetActions},
    {"/delete", "/delete", kSimple, kSimpleDeleteActions},
    {"/", "/", kStatusPage, kPageActions},
    {"/ui/{file}", "/ui/", kStatusPage, kPageActions},
};

bool IsServed(EndpointGroup group, const ServedGroups& served) {
  switch (group) {
    case kAlways:
      return true;
    case kSimple:
      return served.simple;
    case kStatusPage:
      return served.status_page;
  }
  return false;
}

}  // namespace

const Action* Route::Find(Method method) const {
  for (const Action& action : actions) {
    if (action.method == method) return &action;
  }
  return nullptr;
}

std::string Route::Allow() const {
  std::string list;
  for (const Action& action : actions) {
    if (!list.empty()) list.append(", ");
    list.append(MethodName(action.method));
  }
  return list;
}

std::span<const Route> Routes() { return kRoutes; }

const Route* FindRoute(std::string_view path, const ServedGroups& served, size_t* index) {
  for (const Route& route : kRoutes) {
    if (route.is_prefix() ? !path.starts_with(route.path) : path != route.path) continue;
    if (!IsServed(route.group, served)) continue;
    *index = static_cast<size_t>(&route - kRoutes);
    return &route;
  }
  return nullptr;
}

}  // namespace sisyphus::api
