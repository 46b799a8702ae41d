// The handlers that the route table names, by the file that they live in.
#ifndef SISYPHUS_API_HANDLERS_H_
#define SISYPHUS_API_HANDLERS_H_

#include "api/routes.h"

namespace sisyphus::api {

// key_handlers.cc
void HandleGet(Api& api, Exchange& exchange, const Match& match);
void HandlePut(Api& api, Exchange& exchange, const Match& match);
void HandleDelete(Api& api, Exchange& exchange, const Match& match);

// range_handlers.cc
void HandleRange(Api& api, Exchange& exchange, const Match& match);
void HandleDeleteRange(Api& api, Exchange& exchange, const Match& match);

// watch_handlers.cc
void HandleWatch(Api& api, Exchange& exchange, const Match& match);

// history_handlers.cc
void HandleCompact(Api& api, Exchange& exchange, const Match& match);

// simple_handlers.cc
void HandleSimpleGet(Api& api, Exchange& exchange, const Match& match);
void HandleSimplePut(Api& api, Exchange& exchange, const Match& match);
void HandleSimpleDelete(Api& api, Exchange& exchange, const Match& match);

// txn_handlers.cc
void HandleTxn(Api& api, Exchange& exchange, const Match& match);

// lease_handlers.cc
void HandleGrantLease(Api& api, Exchange& exchange, const Match& match);
void HandleListLeases(Api& api, Exchange& exchange, const Match& match);
void HandleGetLease(Api& api, Exchange& exchange, const Match& match);
void HandleKeepLeaseAlive(Api& api, Exchange& exchange, const Match& match);
void HandleRevokeLease(Api& api, Exchange& exchange, const Match& match);

// member_handlers.cc
void HandleAddMember(Api& api, Exchange& exchange, const Match& match);
void HandleRemoveMember(Api& api, Exchange& exchange, const Match& match);
void HandlePromoteMember(Api& api, Exchange& exchange, const Match& match);
void HandleTransferLeadership(Api& api, Exchange& exchange, const Match& match);

// page_handlers.cc
void HandlePage(Api& api, Exchange& exchange, const Match& match);

// status_handlers.cc
// What HandleCluster answers, with these header lines.
void RespondCluster(Api& api, Exchange& exchange, std::string_view headers = {});
void HandleCluster(Api& api, Exchange& exchange, const Match& match);
void HandleLive(Api& api, Exchange& exchange, const Match& match);
void HandleReady(Api& api, Exchange& exchange, const Match& match);
void HandleGetLogLevel(Api& api, Exchange& exchange, const Match& match);
void HandleSetLogLevel(Api& api, Exchange& exchange, const Match& match);
void HandleMetrics(Api& api, Exchange& exchange, const Match& match);
void HandleVersion(Api& api, Exchange& exchange, const Match& match);
void HandleOpenApi(Api& api, Exchange& exchange, const Match& match);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_HANDLERS_H_
