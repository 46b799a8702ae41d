// What this server's rooms tell of, as events of the log.
#ifndef SISYPHUS_SERVER_EVENT_LINES_H_
#define SISYPHUS_SERVER_EVENT_LINES_H_

#include "api/server.h"
#include "node/node.h"

namespace sisyphus::server {

void LogRole(const node::NodeView& view);
void LogContent(const node::ContentFinding& finding);

// A request, with where its time went: at warning if it was slow, else at debug.
void LogOperation(const api::FinishedOperation& operation, bool slow);
// At the leader, a slow write of another node's client.
void LogSlowForward(const node::SlowForward& slow);

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_EVENT_LINES_H_
