// Recovery: from the files of a directory to what a member may rely on, or to the reason why it may
// not. Reads only; what follows from it (a new segment, files that are no longer needed) is
// Storage's to do.
//
// Damage is told from an interrupted write by what vouches for the bytes (segment.h). Besides, all
// must fit together: segments in one chain, indexes without a gap, no term above the hard state's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/raft/entry.h"
#include "consensus/storage/directory.h"

namespace quorate::storage {

/// Bytes at the end of the log that a crash left unfinished. They were promised to nobody and are
/// not used any more; worth a line in the log.
struct TornTail {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct KeptSegment {
  uint64_t number = 0;
  raft::Index max_index = 0;  ///< of any entry in it
};

struct Recovery {
  raft::Durable durable;
  bool empty = true;  ///< nothing was ever written here
  std::vector<TornTail> torn_tails;

  // For the writer.
  std::vector<KeptSegment> segments;    ///< the chain, oldest first
  std::vector<std::string> dead_files;  ///< of no use any more
  uint64_t highest_number = 0;          ///< of any segment seen
  uint64_t proven_end = 0;              ///< in the last segment: what is certainly on disk
  raft::Index unproven_from = 0;        ///< the first entry after proven_end; 0: there is none
  bool restart_log = false;             ///< the log on disk has to begin again at the snapshot
  raft::Index last_index = 0;           ///< the last entry; or the snapshot's, if that is later
};

Result<Recovery> recover(Directory& directory);

}  // namespace quorate::storage
