// Tells the service manager how far this process is: sd_notify(3)'s protocol, one datagram to the
// socket that it named.
#ifndef SISYPHUS_SERVER_NOTIFY_H_
#define SISYPHUS_SERVER_NOTIFY_H_

#include <string>
#include <string_view>

#include "base/status.h"

namespace sisyphus::server {

// Sends `state` ("READY=1", "STOPPING=1", with lines that follow) to `socket`: an absolute path, or
// a name in the abstract namespace that begins with '@'. Does not block: a manager that reads
// nothing is none to wait for. Nothing is sent and all is well when `socket` is empty.
Status NotifyServiceManager(const std::string& socket, std::string_view state);

// $NOTIFY_SOCKET, or empty: nobody asked to be told. It leaves the environment, for it is meant for
// this process alone. Call before other threads are started.
std::string TakeNotifySocket();

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_NOTIFY_H_
