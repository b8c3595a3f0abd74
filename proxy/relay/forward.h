// Forward: a command of a replicated pool on its way to the worker that owns its slot, of this
// process or of another one, and how it ended on its way back.
//
//   worker ─► outbox ─► (other worker of the process: its mailbox, once a turn)
//                   └─► control thread ─► peer connection ─► control thread ─► worker
//
// The header says where to and who asks; what follows is the coordinator's (proxy/replicate): the
// command, or its end. Little-endian, of a fixed size. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/version.h"
#include "consensus/cluster/cluster_map.h"

namespace quorate::relay {

struct ForwardHeader {
  cluster::SessionId from{};  ///< who asks: the process,
  uint32_t worker = 0;        ///< and the worker of it
  cluster::SessionId to{};
  cluster::PoolSerial pool{};
  uint16_t slot = 0;
  uint64_t id = 0;  ///< the asker's
  base::Term seen;  ///< what the asker knows of the slot's fence

  bool operator==(const ForwardHeader&) const = default;
};
inline constexpr size_t kForwardHeaderBytes = 4 + 4 + 4 + 4 + 2 + 8 + 8 + 4;

struct Forward {
  ForwardHeader header;
  std::string bytes;      ///< the command, or how it ended
  uint64_t way_back = 0;  ///< of one that came from another process: the connection it came on
  bool is_reply = false;
  bool is_local = false;  ///< for a worker of this process
};

/// Which worker of a process answers for a slot.
inline uint32_t worker_of(uint16_t slot, uint32_t workers) { return slot % workers; }

std::string encode(const Forward& forward);
/// `way_back` and what follows are left to the caller. Nothing: it is no forward.
std::optional<Forward> decode_forward(std::string_view bytes);

}  // namespace quorate::relay
