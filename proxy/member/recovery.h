// Recovery after the majority is lost for good: what one member has on disk becomes the state of a
// group of which it is the only voter. Works on the directory of a member that is stopped.
//
// What may be lost: changes that the others had acknowledged and this one never received. What may
// come true: changes that it received and that were never acknowledged. Both are why every number
// and every epoch that the lost members may have given away is skipped, and why a new generation
// begins: observers take its map, whatever index they had.
#pragma once

#include <string>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/base/time.h"
#include "consensus/storage/directory.h"

namespace quorate::member {

struct RecoveryReport {
  uint64_t term = 0;        ///< the last that this member knew
  uint64_t last_index = 0;  ///< of its log
  uint64_t snapshot_index = 0;
  uint32_t generation = 0;           ///< that begins
  std::string kept;                  ///< this member
  std::vector<std::string> removed;  ///< members that will be no more, "b (2) at 10.0.0.2:7400"
  std::vector<std::string> pools;    ///< "cache: 3 backends, epoch 17"
};

/// With `write`, carried out; without, only said. `address`: where this member is reached.
/// Errors: a sentence for the operator; nothing was changed.
base::Result<RecoveryReport, std::string> recover(storage::Directory& directory,
                                                  const std::string& address, base::WallTime now,
                                                  bool write);

}  // namespace quorate::member
