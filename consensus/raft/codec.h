// Messages, configurations and entries as bytes: for the wire and for the disk.
//
// Bytes from outside are judged here and nowhere else: what decodes is well-formed (lengths, known
// kinds, consecutive indexes, terms that do not fall), so that the core may rely on it. Whether it
// is true is another matter, and the core's.
// Version 1 of the format. Peers agree on a version when they meet, files begin with theirs;
// nothing in here guesses.
#pragma once

#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/raft/bytes.h"
#include "consensus/raft/messages.h"

namespace quorate::raft {

inline constexpr uint32_t kFormatVersion = 1;

enum class DecodeError : uint8_t {
  kTruncated,    ///< it ends too early, or bytes are left over
  kUnknownKind,  ///< of a message or an entry: from a newer version, or not ours
  kMalformed,    ///< a value that cannot be
};
const char* to_string(DecodeError error);

/// Appends to `out`.
void encode(const Message& message, std::string& out);
base::Result<Message, DecodeError> decode_message(std::string_view bytes);

/// Appends to `out`.
void encode(const EntryData& data, std::string& out);
base::Result<EntryData, DecodeError> decode_entry_data(std::string_view bytes);

/// Appends to `out`.
void encode(const Configuration& configuration, std::string& out);
base::Result<Configuration, DecodeError> decode_configuration(std::string_view bytes);

}  // namespace quorate::raft
