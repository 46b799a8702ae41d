// Waiting for the next turn of what a command does again and again.
#ifndef SISYPHUS_TOOLS_SICLI_PAUSE_H_
#define SISYPHUS_TOOLS_SICLI_PAUSE_H_

#include <chrono>

namespace sisyphus::sicli {

void Pause(std::chrono::milliseconds time);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_PAUSE_H_
