// What this layer says: members to each other, and a voter and its observers. One small struct a
// message, in two variants, as the two kinds of connection have nothing in common.
//
// Clocks are not compared across machines. What was seen is told by its age; and as a message may
// have been under way for long, a voter's report repeats the last stamp that it had of the leader's
// clock, and how long ago: that bounds the age from the leader's side (Report).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/group/output.h"
#include "consensus/raft/messages.h"

namespace quorate::group {

/// Version of these messages; both ends of a connection have the same one, or it ends.
inline constexpr uint16_t kProtocolVersion = 2;

// ---- Between members.

/// The leader's clock, for reports; also: report to me.
struct Pulse {
  raft::Term term = 0;
  int64_t stamp = 0;  ///< nanoseconds of the leader's own clock
};

/// What a voter's probes have seen of a backend.
struct Sight {
  BackendSerial backend{};
  uint32_t failures = 0;  ///< in a row; or
  uint32_t answers = 0;   ///< in a row
  Duration age{};         ///< of the last probe's end
  std::string run_id;     ///< of the process that answered last; empty: not told
};

/// When a session's process was heard last, and what it had then.
struct Heard {
  SessionId session{};
  Duration age{};
  Index confirmed = 0;  ///< applied, as it said
};

struct Report {
  raft::Term term = 0;
  int64_t stamp = 0;  ///< of the leader's last Pulse
  Duration held{};    ///< since it arrived
  std::vector<Sight> sights;
  std::vector<Heard> sessions;
};

/// A request for the leader to carry out. A hop only: it is refused by who does not lead `term`.
struct Forward {
  raft::Term term = 0;
  uint64_t life = 0;     ///< of the sender: drawn at its start
  uint64_t request = 0;  ///< of that life; only grows
  Request what;
};

struct ForwardEnd {
  uint64_t life = 0;
  uint64_t request = 0;
  Outcome outcome;
};

using MemberMessage = std::variant<raft::Message, Pulse, Report, Forward, ForwardEnd>;

// ---- From an observer to its voter.

/// First of all, once.
struct Subscribe {
  uint16_t version = kProtocolVersion;
  cluster::Nonce cluster;  ///< none: whichever it is
  uint32_t generation = 0;
  Index index = 0;  ///< it has the map of this index; 0: none
  std::string name;
  Duration interval{};  ///< at which both want to hear of the other
};

/// Says what has arrived, and that it is there.
struct Confirm {
  uint64_t messages = 0;  ///< Pieces and Changes on this connection
  Index index = 0;        ///< applied
  SessionId session{};
};

struct Propose {
  uint64_t request = 0;
  Request what;
};

/// Its traffic failed so many times in a row.
struct Traffic {
  BackendSerial backend{};
  uint32_t failures = 0;
};

using ObserverMessage = std::variant<Subscribe, Confirm, Propose, Traffic>;

// ---- From a voter to its observer.

/// A part of a snapshot: cluster::encode(map). Parts come in order; offset 0 begins anew.
struct Piece {
  uint64_t offset = 0;
  uint64_t size = 0;  ///< of the whole
  std::string data;
};

/// A committed entry, as it is in the log. Entries that change nothing are left out.
struct FeedEntry {
  Index index = 0;
  std::variant<std::string, raft::Configuration> data;  ///< cluster::encode(change), or members
};

/// All that was committed in (previous, last].
struct Changes {
  Index previous = 0;
  Index last = 0;
  std::vector<FeedEntry> entries;
};

/// It is there, and has applied so much.
struct Beat {
  Index index = 0;
  raft::Term term = 0;
  /// Whom it takes for the leader, so that what it has applied is new.
  std::optional<MemberId> leader;
};

struct ProposeEnd {
  uint64_t request = 0;
  Outcome outcome;
};

/// Why a voter ends the connection: ask another one.
struct Goodbye {
  enum class Reason : uint8_t {
    kOtherCluster,
    kTooMany,   ///< observers
    kRemoved,   ///< it is no member of the group any more
    kProtocol,  ///< it was told what cannot be, or in another version
  };
  Reason reason{};
};
const char* to_string(Goodbye::Reason reason);

using VoterMessage = std::variant<Piece, Changes, Beat, ProposeEnd, Goodbye>;

// ---- As bytes. What decodes is well-formed; whether it is true is another matter.

std::string encode(const MemberMessage& message);
std::string encode(const ObserverMessage& message);
std::string encode(const VoterMessage& message);
std::optional<MemberMessage> decode_member_message(std::string_view bytes);
std::optional<ObserverMessage> decode_observer_message(std::string_view bytes);
std::optional<VoterMessage> decode_voter_message(std::string_view bytes);

}  // namespace quorate::group
