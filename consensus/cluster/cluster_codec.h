// Changes and maps as bytes: for the log, for snapshots, and for what observers are sent.
//
// Bytes from outside are judged here: what decodes is well-formed and within the bounds of
// cluster_map.h, so apply() may rely on it. Each begins with the version of its format.
#pragma once

#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/cluster/cluster_change.h"

namespace quorate::cluster {

inline constexpr uint16_t kChangeVersion = 1;
inline constexpr uint16_t kMapVersion = 2;

enum class DecodeError : uint8_t {
  kTruncated,       ///< it ends too early, or bytes are left over
  kUnknownVersion,  ///< of a newer program, or of none
  kUnknownKind,     ///< a change that this program does not know
  kMalformed,       ///< a value that cannot be
};
const char* to_string(DecodeError error);

std::string encode(const Change& change);
base::Result<Change, DecodeError> decode_change(std::string_view bytes);

std::string encode(const ClusterMap& map);
base::Result<ClusterMap, DecodeError> decode_map(std::string_view bytes);

}  // namespace quorate::cluster
