// Join: the replies of a command that was split over several backends, made one again.
//
// Holds what the fragments answered, in order of arrival, and renders the reply once all are in.
// Its size is bounded by the pool's max_split; above that the command fails and the rest is
// dropped. Pure; the relay sends the fragments and delivers their replies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/base/byte_chain.h"
#include "consensus/base/slab.h"

namespace quorate::relay {

enum class JoinKind : uint8_t {
  kElements,      ///< MGET: arrays; element i of the reply is the next one of fragment order[i]
  kFirst,         ///< MSET, FLUSHALL, SCRIPT LOAD: all say the same, or one an error
  kSum,           ///< DEL, EXISTS, DBSIZE: integers
  kMinimum,       ///< LASTSAVE: integers
  kEachMinimum,   ///< SCRIPT EXISTS: arrays of integers, the least of each place, or order[i]
  kConcat,        ///< KEYS: arrays, one behind the other
  kFirstNonNil,   ///< RANDOMKEY: nil only if all are; begins to look at `opaque`
  kReceivers,     ///< PUBLISH: an integer, to which the dialect adds
  kFirstSuccess,  ///< SCRIPT KILL: an error only if all are
  kScan,          ///< SCAN of one backend, with a cursor that names it: the dialect's
  kValues,        ///< MGET over replicas: fragment i is element i; the dialect's
  kParts,         ///< DEL over replicas: integers of no backend in particular; the dialect's
  kExec,          ///< EXEC, which the dialect goes on with
  kInfo,          ///< INFO of all backends that answer: the dialect's
  kTextValues,    ///< memcached get: VALUE blocks in the order of the keys asked for, one END
  kTextFirst,     ///< memcached flush_all, verbosity: one line, if none is an error
  kTextStats,     ///< memcached stats: STAT lines, numbers added up
  kBinaryFirst,   ///< the same, binary
  kBinaryStats,   ///< the same, binary
};

/// How a request to a backend ended when no reply came.
enum class RequestEnd : uint8_t {
  kNotExecuted,  ///< certainly
  kTimedOut,     ///< a read; harmless
  kUnknown,      ///< a write that may have been executed, or may still be
};

enum class FragmentEnd : uint8_t { kOpen, kAnswered, kNotExecuted, kTimedOut, kUnknown, kTooLarge };

struct Fragment {
  uint32_t upstream = 0;
  FragmentEnd end = FragmentEnd::kOpen;
  std::string reply;

  /// REQUIRES: it ended without a reply.
  RequestEnd request_end() const {
    return end == FragmentEnd::kUnknown    ? RequestEnd::kUnknown
           : end == FragmentEnd::kTimedOut ? RequestEnd::kTimedOut
                                           : RequestEnd::kNotExecuted;
  }
};

/// What a Join needs memory for; handed on from one to the next, so that a warm relay allocates
/// none.
struct JoinMemory {
  std::vector<Fragment> fragments;
  std::vector<uint16_t> order;  ///< kElements, kTextValues: the fragment of each key; see above
  std::string keys;             ///< kTextValues: the keys asked for, one behind the other
  std::vector<uint8_t> key_sizes;
};

struct Join {
  explicit Join(base::SlabId join_id) : id(join_id) {}

  const base::SlabId id;
  base::SlabId session{};
  uint32_t slot = 0;
  JoinKind kind{};
  bool is_write = false;
  bool is_silent = false;
  uint16_t opcode = 0;  ///< memcached binary: the client's, and its opaque
  uint32_t opaque = 0;  ///< also kFirstNonNil: any number
  uint32_t open_fragments = 0;
  size_t held_bytes = 0;
  JoinMemory memory;

  std::vector<Fragment>& fragments() { return memory.fragments; }

  /// Redis: the reply of a join whose fragments were all answered. REQUIRES: open_fragments == 0.
  /// False: the backends' replies do not fit together; nothing was appended.
  bool render(base::ChunkPool& pool, base::ByteChain& out) const;

  /// Redis: the first fragment that was answered with an error, or nullptr.
  const Fragment* first_error() const;
  /// The fragment that says most about what went wrong without a reply: one whose outcome is
  /// unknown, else one that got none; nullptr if all were answered.
  const Fragment* first_without_reply() const;
  bool is_too_large() const;
};

}  // namespace quorate::relay
