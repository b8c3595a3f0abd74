// What the core wants done, and how requests to it end.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "consensus/base/time.h"
#include "consensus/raft/messages.h"

namespace quorate::raft {

// How a proposal ends. Exactly one of these, once, for each that was accepted.
struct Committed {  ///< at `index`; it has been handed out to be applied, now or before
  Index index = 0;
};
struct Lost {};     ///< certainly not committed, now or later: another entry was, in its place
struct Unknown {};  ///< it may have been committed, or may yet be
using ProposalOutcome = std::variant<Committed, Lost, Unknown>;

struct ProposalEnd {
  ProposalId id{};
  ProposalOutcome outcome;
};

/// How a read ends. With an index: read the state now, it holds at least what was acknowledged
/// anywhere before the read was asked. Without: nothing is known, ask again.
struct ReadEnd {
  ReadId id{};
  std::optional<Index> index;
};

/// To be carried out from top to bottom. `persist` only has to be begun: nothing below depends on
/// its end, as the core holds back what promises durability until on_persisted says so.
struct Output {
  std::optional<Persist> persist;
  std::vector<Envelope> send;
  SnapshotRef restore;          ///< the replicated state becomes this one, before `apply`
  std::vector<EntryRef> apply;  ///< committed, consecutive; of every kind
  std::vector<ProposalEnd> ended;
  std::vector<ReadEnd> reads;
  bool more = false;  ///< there is more to apply: take the next output soon
};

/// Why a request was not accepted. Nothing has happened, nor will.
enum class RefusalReason : uint8_t {
  kNotLeader,         ///< ask `leader`, if one is known
  kTransferring,      ///< leadership is being handed over; ask again soon
  kOverloaded,        ///< too much is waiting to be committed
  kTooLarge,          ///< larger than Options::max_command_bytes
  kNotReady,          ///< the leader has not committed an entry of its term yet; ask again soon
  kChangeInProgress,  ///< the last change of the configuration is not complete
  kInvalidChange,     ///< see `change_error`
  kNotCaughtUp,       ///< a learner to be promoted would hold the group up
  kNotVoter,          ///< leadership goes to voters only
};

struct Refusal {
  RefusalReason reason{};
  std::optional<MemberId> leader;
  std::optional<ChangeError> change_error;
};

/// What operators see.
enum class RoleName : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
const char* to_string(RoleName role);

struct PeerStatus {
  MemberId id{};
  Index match = 0;
  base::Instant last_contact{};
  bool installing = false;  ///< it is being sent a snapshot
};

struct Status {
  MemberId self{};
  RoleName role{};
  Term term = 0;
  std::optional<MemberId> leader;
  Index commit = 0;
  Index applied = 0;  ///< handed out
  Index last = 0;
  Index persisted = 0;
  Index snapshot = 0;
  std::vector<PeerStatus> peers;  ///< a leader's only
};

}  // namespace quorate::raft
