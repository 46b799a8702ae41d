// Machine: the replicated state machine, keys and values on the LSM tree.
//
// Layout of the tree and of commands: docs/formats.md, src/kv/command.h.
#ifndef SISYPHUS_KV_MACHINE_H_
#define SISYPHUS_KV_MACHINE_H_

#include "node/state_machine.h"

namespace sisyphus::kv {
class Machine;
}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_MACHINE_H_
