// Channel: what the io layer needs to know of a session or a link, and nothing else.
//
// The core never writes and never reads: it says what it wants here and puts the channel on its
// attention list; once per turn of the loop the io layer goes through the list, writes what is
// unsent in one write, starts or stops reading, closes.
#pragma once

#include "consensus/base/carry.h"

namespace quorate::link {

struct Channel {
  void* io = nullptr;         ///< the io layer's handle; nullptr: none (yet, or any more)
  bool listed = false;        ///< is on an attention list already
  bool wants_reading = true;  ///< false: leave incoming bytes in the kernel (back-pressure)
  bool wants_close = false;   ///< close it; sessions: once everything unsent has left
  base::Carry carry;          ///< to be put in front of the next bytes read
};

}  // namespace quorate::link
