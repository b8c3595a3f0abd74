// The planted faults, and what each one breaks: a rule of the dissertation, or of disks.
#pragma once

#include <array>
#include <string_view>

#include "consensus/raft/mutation.h"

namespace quorate::mutations {

using raft::Mutation;

struct Fault {
  Mutation mutation;
  std::string_view name;
  std::string_view what;
};

inline constexpr std::array kFaults = {
    // Elections.
    Fault{Mutation::kVoteTwice, "vote_twice", "a member votes for everybody who asks in a term"},
    Fault{Mutation::kVoteForShorterLog, "vote_for_shorter_log", "votes without comparing the logs"},
    Fault{Mutation::kForgetPreVote, "forget_pre_vote", "campaigns without asking first"},
    Fault{Mutation::kForgetStickiness, "forget_stickiness",
          "helps candidates though it hears a leader"},
    Fault{Mutation::kForgetCheckQuorum, "forget_check_quorum", "leads on without hearing a quorum"},
    Fault{Mutation::kVoteBeforePersist, "vote_before_persist",
          "the vote leaves before it is on disk"},
    Fault{Mutation::kCampaignBeforePersist, "campaign_before_persist",
          "asks for votes before its own is on disk"},
    // Replication.
    Fault{Mutation::kAckBeforePersist, "ack_before_persist",
          "answers before the entries are on disk"},
    Fault{Mutation::kCountOwnUnpersisted, "count_own_unpersisted",
          "the leader counts its copy before it is on disk"},
    Fault{Mutation::kCommitOldTermByCounting, "commit_old_term_by_counting",
          "commits entries of earlier terms by counting (figure 8)"},
    Fault{Mutation::kForgetLogMatching, "forget_log_matching",
          "appends without comparing the entry before"},
    Fault{Mutation::kTruncateOnEveryAppend, "truncate_on_every_append",
          "a late message cuts off entries that came after it"},
    Fault{Mutation::kCommitPastWhatMatches, "commit_past_what_matches",
          "commits its own entries beyond those of the message"},
    Fault{Mutation::kHeartbeatCommitsUnmatched, "heartbeat_commits_unmatched",
          "a heartbeat commits what is not known to match"},
    Fault{Mutation::kApplyUncommitted, "apply_uncommitted", "applies what is not committed"},
    Fault{Mutation::kForgetNoop, "forget_noop", "a new leader begins without an entry of its term"},
    // Membership.
    Fault{Mutation::kCountLearners, "count_learners", "a learner's copy counts for the quorum"},
    Fault{Mutation::kJointByOneMajority, "joint_by_one_majority",
          "a joint configuration decides by the new majority alone"},
    Fault{Mutation::kOverlappingChanges, "overlapping_changes",
          "begins a change while another one is not committed"},
    Fault{Mutation::kSkipJoint, "skip_joint", "goes from one configuration to the next directly"},
    Fault{Mutation::kStayThoughRemoved, "stay_though_removed",
          "leads on in a configuration that it is not part of"},
    // Reads and proposals.
    Fault{Mutation::kReadWithoutRound, "read_without_round",
          "answers reads without asking whether it still leads"},
    Fault{Mutation::kReadBeforeTermCommits, "read_before_term_commits",
          "answers reads before it has committed an entry of its term"},
    Fault{Mutation::kReadNumbersRestart, "read_numbers_restart",
          "takes the answer to a read of an earlier life for its own"},
    Fault{Mutation::kStepDownMeansLost, "step_down_means_lost",
          "says that proposals are lost when it is deposed"},
    // Snapshots.
    Fault{Mutation::kSnapshotWithoutConfiguration, "snapshot_without_configuration",
          "installs a snapshot and keeps its own configuration"},
    Fault{Mutation::kSnapshotForgetsTail, "snapshot_forgets_tail",
          "a snapshot throws away entries that came after it"},
    Fault{Mutation::kMixSnapshots, "mix_snapshots", "puts pieces of two snapshots together"},
    Fault{Mutation::kAckSnapshotBeforePersist, "ack_snapshot_before_persist",
          "says that it has a snapshot before it is on disk"},
    Fault{Mutation::kForgetPersistedAfterTruncation, "forget_persisted_after_truncation",
          "takes new entries for old ones that are on disk"},
    // The disk.
    Fault{Mutation::kSkipLogSync, "skip_log_sync", "the log is not synced"},
    Fault{Mutation::kSkipDirectorySync, "skip_directory_sync",
          "the name of a new segment is not synced"},
    Fault{Mutation::kRenameBeforeSync, "rename_before_sync",
          "a snapshot gets its name before its bytes"},
    Fault{Mutation::kIgnoreSyncFailure, "ignore_sync_failure", "goes on after a failed sync"},
    Fault{Mutation::kForgetVoteOnDisk, "forget_vote_on_disk", "writes the term without the vote"},
    Fault{Mutation::kForgetTruncationOnDisk, "forget_truncation_on_disk",
          "recovers entries that had been overwritten"},
    Fault{Mutation::kForgetHardStateInNewSegment, "forget_hard_state_in_new_segment",
          "the term goes when the first segment is removed"},
    Fault{Mutation::kRemoveSegmentsTooEarly, "remove_segments_too_early",
          "removes segments that no snapshot stands for"},
    Fault{Mutation::kSkipChecksum, "skip_checksum",
          "reads records without looking at the checksum"},
    Fault{Mutation::kKeepTornTail, "keep_torn_tail", "takes a torn tail for a part of the log"},
    Fault{Mutation::kCutCorruption, "cut_corruption", "takes damage for a torn tail"},
    Fault{Mutation::kTrustUnprovenTail, "trust_unproven_tail",
          "takes what is in the page cache for what is on disk"},
};

static_assert(kFaults.size() == static_cast<size_t>(Mutation::kEnd) - 1, "each one is described");

}  // namespace quorate::mutations
