#include "tests/simulation/raft/machine.h"

#include "consensus/raft/bytes.h"
#include "consensus/raft/codec.h"
#include "tests/conversation/raft/words.h"

namespace quorate::simulation {

using conversation::say;
using raft::EntryRef;
using raft::Message;
using raft::Output;
using raft::Persist;
using raft::RoleName;

// ---- The replicated state.

void StateMachine::apply(const Entry& entry) {
  index_ = entry.index;
  const auto* command = std::get_if<raft::Command>(&entry.data);
  digest_ =
      digest(command == nullptr ? std::string_view() : command->bytes, digest(index_, digest_));
}

std::string StateMachine::save() const {
  std::string bytes;
  raft::put(bytes, index_);
  raft::put(bytes, digest_);
  // Bytes that depend on the state, so that pieces of two snapshots do not mix unnoticed.
  base::Random filler(digest_);
  const size_t words = 4 + filler.below(60);
  for (size_t i = 0; i < words; ++i) raft::put(bytes, filler.next());
  return bytes;
}

void StateMachine::restore(const std::string& bytes) {
  raft::ByteReader in(bytes);
  index_ = in.get<uint64_t>();
  digest_ = in.get<uint64_t>();
  if (save() != bytes) throw Violation{"a snapshot is not one that was taken"};
}

// ---- The shadow of a disk.

void Shadow::set(const raft::Durable& durable) {
  *this = Shadow();
  hard_state_ = durable.hard_state;
  if (durable.snapshot != nullptr) {
    base_ = durable.snapshot->head.index;
    base_term_ = durable.snapshot->head.term;
  }
  for (const EntryRef& entry : durable.entries) terms_.push_back(entry->term);
}

void Shadow::apply(const Persist& order) {
  if (order.hard_state) hard_state_ = *order.hard_state;
  if (order.snapshot != nullptr) {
    const raft::SnapshotHead& head = order.snapshot->head;
    if (order.snapshot_replaces_log || head.index >= base_ + terms_.size()) {
      terms_.clear();
    } else {
      terms_.erase(terms_.begin(), terms_.begin() + static_cast<ptrdiff_t>(head.index - base_));
    }
    base_ = head.index;
    base_term_ = head.term;
  }
  for (const EntryRef& entry : order.entries) {
    if (entry->index <= base_) continue;
    terms_.resize(entry->index - base_ - 1);
    terms_.push_back(entry->term);
  }
}

std::optional<Term> Shadow::term_at(Index index) const {
  if (index == base_) return base_term_;
  if (index < base_ || index > base_ + terms_.size()) return std::nullopt;
  return terms_[index - base_ - 1];
}

bool Shadow::holds(Index index, Term term) const { return index < base_ || term_at(index) == term; }

bool Shadow::included_in(const Shadow& other, Index limit) const {
  for (size_t i = 0; i < terms_.size() && base_ + 1 + i < limit; ++i) {
    if (!other.holds(base_ + 1 + i, terms_[i])) return false;
  }
  return true;
}

// ---- The machine.

Machine::Machine(World& world, const Profile& profile, Oracle& oracle, Outside outside, MemberId id,
                 std::optional<raft::Configuration> founds)
    : world_(world),
      profile_(profile),
      oracle_(oracle),
      outside_(std::move(outside)),
      id_(id),
      founds_(std::move(founds)),
      disk_(world.random.next()) {
  const int64_t drift = profile.clock_drift_ppm;
  clock_then_ = Instant(ms(world.random.between(0, 1'000'000)));
  clock_set_ = world.now();
  clock_ppm_ = world.random.between(-drift, drift);
}

Instant Machine::local(Instant global) const {
  const int64_t passed = (global - clock_set_).count();
  return clock_then_ + Duration(passed + passed / 1'000'000 * clock_ppm_ +
                                passed % 1'000'000 * clock_ppm_ / 1'000'000);
}

void Machine::set_clock_rate(int64_t ppm) {
  clock_then_ = local_now();
  clock_set_ = world_.now();
  clock_ppm_ = ppm;
  timer_ = base::kNever;
  if (running()) arm_timer();
}

void Machine::when_awake(std::function<void()> what) {
  if (paused()) {
    world_.at(paused_until_, [this, life = life_, what = std::move(what)] {
      if (life == life_) when_awake(what);
    });
    return;
  }
  what();
}

void Machine::start() {
  ++life_;
  world_.counts.add(Count::kRestarts);
  const uint64_t seed = world_.random.next();
  auto opened = storage::Storage::open(disk_, {profile_.segment_bytes});
  if (!opened) {
    const storage::Error& error = opened.error();
    if (error.kind == storage::ErrorKind::kCorrupt || error.kind == storage::ErrorKind::kVersion) {
      throw Violation{"a disk that nothing has damaged is refused: " + to_string(error)};
    }
    world_.counts.add(Count::kCrashAtStart);
    return stop(world_.random.below(2) == 0);
  }
  raft::Durable durable = std::move(opened.value().durable);
  storage_ = std::move(opened.value().storage);
  world_.counts.add(Count::kTornTails, opened.value().torn_tails.size());
  world_.counts.add(Count::kRecoveredEntries, durable.entries.size());
  check_recovered(durable);
  if (opened.value().empty && founds_) {
    const Persist order = raft::founding(*founds_);
    unsynced_ = true;
    if (!storage_->append(order) || !storage_->sync()) return fail_disk();
    durable.hard_state = *order.hard_state;
    durable.entries = order.entries;
  }
  unsynced_ = false;
  unsynced_from_ = UINT64_MAX;
  shadow_.set(durable);
  segments_ = storage_->segment_count();
  state_ = StateMachine();
  snapshot_taken_ = durable.snapshot == nullptr ? 0 : durable.snapshot->head.index;
  core_ = std::make_unique<raft::Raft>(id_, profile_.raft, std::move(durable), seed, local_now());
  seen_ = core_->status();
  seen_joint_ = core_->configuration().joint();
  timer_ = base::kNever;
  world_.trace(1, number(id_), life_,
               [&] { return "member " + std::to_string(number(id_)) + " starts"; });
  pump();
}

/// A new process must find what was synced; and, of what was not, any part.
void Machine::check_recovered(const raft::Durable& durable) {
  Shadow found;
  found.set(durable);
  const raft::HardState& synced = shadow_.hard_state();
  const bool same_vote = !synced.vote || synced.vote == durable.hard_state.vote;
  const bool kept = durable.hard_state.term > synced.term ||
                    (durable.hard_state.term == synced.term && same_vote);
  if (kept && shadow_.included_in(found, unsynced_from_) && (unsynced_ || shadow_ == found)) return;
  throw Violation{"member " + std::to_string(number(id_)) +
                  " does not find on its disk what was synced"};
}

void Machine::note_unsynced(const Persist& order) {
  unsynced_ = true;
  if (order.snapshot_replaces_log) unsynced_from_ = 0;
  if (!order.entries.empty()) {
    unsynced_from_ = std::min(unsynced_from_, order.entries.front()->index);
  }
}

void Machine::stop(bool power) {
  for (const Persist& order : unwritten_) note_unsynced(order);
  for (const Persist& order : unfinished_) note_unsynced(order);
  const SimulatedDisk::Counts before = disk_.counts();
  core_.reset();
  storage_.reset();
  ++life_;
  unwritten_.clear();
  unfinished_.clear();
  writing_ = false;
  power ? disk_.lose_power() : disk_.restart();
  const SimulatedDisk::Counts& now = disk_.counts();
  world_.counts.add(power ? Count::kPowerFailures : Count::kKills);
  world_.counts.add(Count::kTornPages, now.torn_pages - before.torn_pages);
  world_.counts.add(Count::kLostPages, now.lost_pages - before.lost_pages);
  world_.counts.add(Count::kLostNames, now.lost_names - before.lost_names);
  world_.trace(2, number(id_), power ? 1 : 0, [&] {
    return "member " + std::to_string(number(id_)) + (power ? " loses power" : " is killed");
  });
  outside_.died(id_);
}

void Machine::repair() {
  disk_.limit(std::nullopt);
  disk_.fail_syncs(0);
  if (!disk_.crashed()) disk_.restart();
  slow_until_ = paused_until_ = world_.now();
}

void Machine::receive(MemberId from, const std::string& bytes) {
  if (!running()) return;
  when_awake([this, from, bytes] {
    auto message = raft::decode_message(bytes);
    if (!message) throw Violation{"a message does not decode"};
    world_.trace(3, number(id_), digest(bytes), [&] {
      return std::to_string(number(from)) + " -> " + std::to_string(number(id_)) + " " +
             say(message.value());
    });
    handle(from, std::move(message).value());
  });
}

void Machine::handle(MemberId from, Message message) {
  const Term before = core_->hard_state().term;
  const auto* vote = std::get_if<raft::RequestVote>(&message);
  const Term asked = vote == nullptr ? 0 : vote->term;
  if (const auto* piece = std::get_if<raft::InstallSnapshot>(&message)) {
    last_piece_end_ = piece->offset + piece->data.size();
  }
  core_->on_message(from, std::move(message), local_now());
  if (asked > before && core_->hard_state().term == before) {
    world_.counts.add(Count::kStickyRefusals);
  }
  pump();
}

void Machine::note_sent(const Message& message) {
  Counts& counts = world_.counts;
  if (std::holds_alternative<raft::AppendEntriesRefused>(message)) {
    counts.add(Count::kRefusedAppends);
  }
  if (std::holds_alternative<raft::InstallSnapshot>(message)) counts.add(Count::kPieces);
  const auto* wanted = std::get_if<raft::InstallSnapshotResponse>(&message);
  if (wanted != nullptr && !wanted->installed && wanted->next_offset > last_piece_end_) {
    counts.add(Count::kTransfersResumed);
  }
}

void Machine::connection_lost(MemberId peer) {
  if (!running() || paused()) return;
  world_.counts.add(Count::kConnectionLost);
  core_->on_connection_lost(peer);
  pump();
}

base::Result<Index, raft::Refusal> Machine::propose(ProposalId id, std::string command) {
  auto result = core_->propose(id, std::move(command), local_now());
  if (result) oracle_.accepted(id, result.value(), core_->hard_state().term);
  pump();
  return result;
}

base::Result<Index, raft::Refusal> Machine::change(ProposalId id, const raft::Change& change) {
  auto result = core_->change_membership(id, change, local_now());
  if (result) oracle_.accepted(id, result.value(), core_->hard_state().term);
  change_asked_ = true;
  pump();
  change_asked_ = false;
  return result;
}

base::Result<Term, raft::Refusal> Machine::transfer(MemberId target) {
  auto result = core_->transfer_leadership(target, local_now());
  pump();
  return result;
}

void Machine::read(raft::ReadId id) {
  core_->read(id, local_now());
  pump();
}

// ---- What the core wants done.

void Machine::pump() {
  const uint64_t life = life_;
  bool more = true;
  while (more) {
    watch();
    Output output = core_->take_output();
    more = output.more;
    watch();
    carry_out(output);
    if (life != life_) return;
  }
  maybe_take_snapshot();
  write();
  if (life == life_) arm_timer();
}

/// Notes what has changed, for the oracle and for the counts.
void Machine::watch() {
  core_->check_invariants();
  const raft::Status now = core_->status();
  if (now.role == RoleName::kLeader) oracle_.saw_leader(id_, now.term, core_->log());
  Counts& counts = world_.counts;
  if (now.role != seen_.role || now.term != seen_.term) {
    if (now.role == RoleName::kPreCandidate) counts.add(Count::kPreVotes);
    if (now.role == RoleName::kCandidate) counts.add(Count::kElections);
    if (now.role == RoleName::kLeader) counts.add(Count::kLeaders);
    if (seen_.role == RoleName::kLeader) {
      const bool left = core_->removed();
      counts.add(left                     ? Count::kLeaderRemoved
                 : now.term == seen_.term ? Count::kCheckQuorum
                                          : Count::kStepDowns);
    }
    world_.trace(4, number(id_), now.term * 4 + static_cast<uint64_t>(now.role), [&] {
      return "member " + std::to_string(number(id_)) + " is " + to_string(now.role) + " in term " +
             std::to_string(now.term);
    });
  }
  const bool joint = core_->configuration().joint();
  if (joint != seen_joint_ && now.role == RoleName::kLeader) {
    counts.add(joint ? Count::kJointEntered : Count::kJointLeft);
    if (joint && !change_asked_) counts.add(Count::kPromotedByLeader);
  }
  seen_joint_ = joint;
  seen_ = now;
}

void Machine::carry_out(Output& output) {
  if (output.persist) {
    oracle_.saw_entries(core_->log(), output.persist->entries);
    const auto& entries = output.persist->entries;
    if (!entries.empty() && shadow_.term_at(entries.front()->index)) {
      world_.counts.add(Count::kTruncations);
    }
    unwritten_.push_back(std::move(*output.persist));
  }
  for (const raft::Envelope& envelope : output.send) {
    check_promise(envelope.to, envelope.message);
    note_sent(envelope.message);
    outside_.send(id_, envelope.to, envelope.message);
  }
  if (output.restore != nullptr) {
    state_.restore(output.restore->state);
    if (state_.index() != output.restore->head.index)
      throw Violation{"a snapshot of another index"};
    oracle_.saw_restored(id_, state_.index(), state_.state(), output.restore->configuration);
    snapshot_taken_ = std::max(snapshot_taken_, state_.index());
  }
  for (const EntryRef& entry : output.apply) {
    if (entry->index != state_.index() + 1) throw Violation{"entries are applied out of order"};
    state_.apply(*entry);
    const Term term = core_->hard_state().term;
    if (oracle_.saw_applied(id_, *entry, state_.state(), term)) {
      outside_.first_applied(id_, entry->index);
    }
    world_.trace(5, number(id_), state_.state(), [&] {
      return "member " + std::to_string(number(id_)) + " applies " + std::to_string(entry->index) +
             " of term " + std::to_string(entry->term);
    });
  }
  for (const raft::ProposalEnd& end : output.ended) outside_.proposal_ended(id_, end);
  for (const raft::ReadEnd& end : output.reads) outside_.read_ended(id_, end);
}

/// What the message promises to be on disk must be there, before it leaves.
void Machine::check_promise(MemberId to, const Message& message) const {
  const raft::HardState& on_disk = shadow_.hard_state();
  const auto require = [this](bool kept, const char* what) {
    if (kept) return;
    throw Violation{"member " + std::to_string(number(id_)) + " promises " + what +
                    " before it is on its disk"};
  };
  if (const auto* m = std::get_if<raft::AppendEntriesResponse>(&message)) {
    const std::optional<Term> term = core_->log().term_at(m->match_index);
    require(!term || shadow_.holds(m->match_index, *term), "an entry");
    require(on_disk.term == m->term, "a term");
  } else if (const auto* vote = std::get_if<raft::RequestVoteResponse>(&message)) {
    require(!vote->granted || on_disk == raft::HardState{vote->term, to}, "a vote");
  } else if (const auto* request = std::get_if<raft::RequestVote>(&message)) {
    require(on_disk == raft::HardState{request->term, id_}, "its candidacy");
    require(shadow_.holds(request->last_log_index, request->last_log_term), "its log");
  } else if (const auto* done = std::get_if<raft::InstallSnapshotResponse>(&message)) {
    const bool there =
        shadow_.term_at(done->snapshot_index).has_value() || shadow_.holds(done->snapshot_index, 0);
    require(!done->installed || there, "a snapshot");
  }
}

void Machine::maybe_take_snapshot() {
  if (profile_.snapshot_every == 0 || core_ == nullptr) return;
  if (state_.index() < snapshot_taken_ + profile_.snapshot_every) return;
  snapshot_taken_ = state_.index();
  const Duration effort = world_.random.below(2) == 0 ? Duration(0) : world_.between(us(0), ms(30));
  world_.after(effort, [this, life = life_, index = state_.index(), bytes = state_.save()] {
    if (life != life_) return;
    when_awake([this, index, bytes] {
      world_.counts.add(Count::kSnapshotsTaken);
      core_->on_snapshot_taken(index, bytes);
      pump();
    });
  });
}

// ---- The disk.

/// Writes what there is; the sync takes its time. Orders that come meanwhile share the next one.
void Machine::write() {
  if (writing_ || unwritten_.empty()) return;
  writing_ = true;
  for (const Persist& order : unwritten_) {
    unfinished_.push_back(order);
    if (!storage_->append(order)) return fail_disk();
  }
  unwritten_.clear();
  const Duration least = profile_.disk_latency / 2;
  Duration latency = world_.between(least, 3 * least);
  if (world_.now() < slow_until_) latency += world_.between(ms(20), ms(400));
  world_.after(latency, [this, life = life_] {
    if (life == life_) finish_write();
  });
}

void Machine::finish_write() {
  if (!storage_->sync()) return fail_disk();
  writing_ = false;
  const uint64_t sequence = unfinished_.back().sequence;
  for (const Persist& order : unfinished_) {
    shadow_.apply(order);
    if (order.snapshot_replaces_log) world_.counts.add(Count::kSnapshotsInstalled);
  }
  unfinished_.clear();
  const size_t segments = storage_->segment_count();
  if (segments > segments_) world_.counts.add(Count::kSegmentsBegun, segments - segments_);
  segments_ = segments;
  world_.trace(6, number(id_), sequence, [&] {
    return "member " + std::to_string(number(id_)) + " has synced up to order " +
           std::to_string(sequence);
  });
  when_awake([this, sequence] {
    core_->on_persisted(sequence, local_now());
    pump();
  });
}

/// There is no way on for the process.
void Machine::fail_disk() { stop(world_.random.below(2) == 0); }

// ---- Time.

void Machine::arm_timer() {
  const Instant wanted = core_->next_deadline();
  if (wanted == base::kNever) return;
  // The first moment at which the local clock shows `wanted`, or a little later.
  const int64_t local_wait = std::max<int64_t>(0, (wanted - local_now()).count());
  const int64_t wait = local_wait - local_wait / 1'000'000 * clock_ppm_ + local_wait / 1000;
  const Instant when = world_.now() + Duration(std::max<int64_t>(1000, wait));
  if (timer_ != base::kNever && timer_ <= when) return;
  timer_ = when;
  world_.at(when, [this, life = life_, when] {
    if (life != life_ || timer_ != when) return;
    timer_ = base::kNever;
    when_awake([this] {
      core_->on_time(local_now());
      pump();
    });
  });
}

}  // namespace quorate::simulation
