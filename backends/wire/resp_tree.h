// RespTree: a whole RESP2 reply as a tree, for the control path only. Allocates, recurses to a
// bounded depth, and keeps views of the bytes it was given. The data path frames, it builds no
// trees.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "consensus/base/result.h"

namespace quorate::wire {

struct RespTree {
  enum class Kind : uint8_t { kText, kError, kInteger, kArray, kNil };

  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string_view text;  ///< of a simple string, bulk string or error
  std::vector<RespTree> elements;
};

enum class RespTreeError : uint8_t { kIncomplete, kMalformed };

/// Exactly one reply. Bounds: 10 levels; no array is allocated before its bytes are there.
base::Result<RespTree, RespTreeError> parse_resp_tree(std::string_view bytes);

}  // namespace quorate::wire
