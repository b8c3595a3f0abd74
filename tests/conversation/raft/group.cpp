#include "tests/conversation/raft/group.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/raft/codec.h"
#include "tests/conversation/raft/words.h"

namespace quorate::conversation {

using raft::Durable;
using raft::EntryRef;
using raft::Output;
using raft::Persist;
using raft::Raft;
using raft::Status;

namespace {

/// What is on disk after one more order.
void apply(Durable& disk, const Persist& order) {
  if (order.hard_state) disk.hard_state = *order.hard_state;
  if (order.snapshot != nullptr) {
    disk.snapshot = order.snapshot;
    if (order.snapshot_replaces_log) disk.entries.clear();
    const Index index = order.snapshot->head.index;
    std::erase_if(disk.entries, [index](const EntryRef& e) { return e->index <= index; });
  }
  for (const EntryRef& entry : order.entries) {
    std::erase_if(disk.entries, [&](const EntryRef& e) { return e->index >= entry->index; });
    disk.entries.push_back(entry);
  }
}

std::string join(const std::vector<std::string>& commands) {
  std::string text;
  for (const std::string& command : commands) text += command + '\n';
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> commands;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    commands.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return commands;
}

}  // namespace

void Group::start_founder(MemberId id, const raft::Configuration& configuration) {
  Durable disk;
  apply(disk, raft::founding(configuration));
  boot(id, std::move(disk));
}

void Group::start_empty(MemberId id) { boot(id, Durable{}); }

void Group::start_with_log(MemberId id, const raft::Configuration& configuration,
                           const std::vector<Term>& terms, Term current_term) {
  Durable disk;
  disk.hard_state.term = current_term;
  for (size_t i = 0; i < terms.size(); ++i) {
    raft::EntryData data = configuration;
    const std::string name = "c" + std::to_string(terms[i]) + "." + std::to_string(i + 1);
    if (i > 0) data = raft::Command{name};
    disk.entries.push_back(
        std::make_shared<const raft::Entry>(raft::Entry{terms[i], i + 1, std::move(data)}));
  }
  boot(id, std::move(disk));
}

void Group::boot(MemberId id, Durable disk) {
  Member& member = members_[id];
  member.disk = disk;
  const uint64_t seed = number(id) * 1000 + ++member.lives;
  member.core = std::make_unique<Raft>(id, options, std::move(disk), seed, now_);
  seen_[id] = member.core->status();
  after_event(id);
}

void Group::crash(MemberId id) {
  Member& member = members_.at(id);
  member.core.reset();
  member.unwritten.clear();
  member.applied.clear();
  member.applied_index = 0;
  member.disk_held = false;
  for (auto& [link, messages] : links_) {
    if (link.first == id || link.second == id) messages.clear();
  }
}

void Group::restart(MemberId id) { boot(id, members_.at(id).disk); }

void Group::time_out(MemberId id) {
  Raft& core = *members_.at(id).core;
  now_ = std::max(now_, core.next_deadline());
  core.on_time(now_);
  after_event(id);
}

void Group::run(base::Duration duration) {
  const base::Instant end = now_ + duration;
  while (true) {
    settle();
    base::Instant next = base::kNever;
    for (const auto& [id, member] : members_) {
      if (member.core != nullptr) next = std::min(next, member.core->next_deadline());
    }
    if (next > end) break;
    now_ = std::max(now_, next);
    for (auto& [id, member] : members_) {
      if (member.core == nullptr || member.core->next_deadline() > now_) continue;
      member.core->on_time(now_);
      after_event(id);
    }
  }
  now_ = end;
}

void Group::propose(MemberId id, const std::string& command) {
  const raft::ProposalId proposal{proposals_.size() + 1};
  const auto accepted = members_.at(id).core->propose(proposal, command, now_);
  proposals_[proposal] = "'" + command + "'";
  if (!accepted) line(say(id) + " refuses '" + command + "': " + say(accepted.error()));
  after_event(id);
}

void Group::change(MemberId id, const raft::Change& change) {
  const raft::ProposalId proposal{proposals_.size() + 1};
  const auto accepted = members_.at(id).core->change_membership(proposal, change, now_);
  proposals_[proposal] = "change";
  if (!accepted) line(say(id) + " refuses the change: " + say(accepted.error()));
  after_event(id);
}

void Group::transfer(MemberId id, MemberId target) {
  const auto accepted = members_.at(id).core->transfer_leadership(target, now_);
  if (!accepted) line(say(id) + " refuses the transfer: " + say(accepted.error()));
  after_event(id);
}

void Group::read(MemberId id) {
  members_.at(id).core->read(raft::ReadId{++reads_}, now_);
  after_event(id);
}

void Group::snapshot(MemberId id) {
  Member& member = members_.at(id);
  member.core->on_snapshot_taken(member.applied_index, join(member.applied));
  after_event(id);
}

void Group::connection_lost(MemberId id, MemberId other) {
  members_.at(id).core->on_connection_lost(other);
  after_event(id);
}

/// Carries out what the core wants until it wants nothing more.
void Group::after_event(MemberId id) {
  Member& member = members_.at(id);
  while (true) {
    member.core->check_invariants();
    const Status before = std::exchange(seen_[id], member.core->status());
    note_changes(id, before);
    Output output = member.core->take_output();
    member.core->check_invariants();
    const bool more = output.more;
    const bool wrote = output.persist.has_value() && !member.disk_held;
    carry_out(id, member, std::move(output));
    if (!more && !wrote) break;
  }
  note_changes(id, std::exchange(seen_[id], member.core->status()));
}

void Group::carry_out(MemberId id, Member& member, Output output) {
  if (output.restore != nullptr) {
    member.applied = split(output.restore->state);
    member.applied_index = output.restore->head.index;
    line("  " + say(id) + " restores snapshot " + std::to_string(member.applied_index));
  }
  for (raft::Envelope& envelope : output.send) {
    std::string bytes;
    raft::encode(envelope.message, bytes);
    auto decoded = raft::decode_message(bytes);
    ASSERT(decoded.ok());
    if (cuts_.contains({id, envelope.to})) continue;
    links_[{id, envelope.to}].push_back(std::move(decoded).value());
  }
  std::string applied;
  for (const EntryRef& entry : output.apply) {
    ASSERT(entry->index == member.applied_index + 1);
    member.applied_index = entry->index;
    const auto* command = std::get_if<raft::Command>(&entry->data);
    if (command != nullptr) member.applied.push_back(command->bytes);
    applied += " " + say(*entry);
  }
  if (!applied.empty()) line("  " + say(id) + " applies" + applied);
  for (const raft::ProposalEnd& end : output.ended) {
    line("  " + say(id) + " ends " + proposals_.at(end.id) + ": " + say(end.outcome));
  }
  for (const raft::ReadEnd& end : output.reads) {
    line("  " + say(id) + " ends read " + std::to_string(number(end.id)) + ": " +
         (end.index ? "at " + std::to_string(*end.index) : std::string("failed")));
  }
  if (!output.persist) return;
  member.unwritten.push_back(std::move(*output.persist));
  if (!member.disk_held) write(id, member);
}

void Group::write(MemberId id, Member& member) {
  const uint64_t sequence = member.unwritten.back().sequence;
  for (const Persist& order : member.unwritten) {
    apply(member.disk, order);
    if (!quiet_) line("  " + say(id) + " has on disk" + say(order));
  }
  member.unwritten.clear();
  member.core->on_persisted(sequence, now_);
}

void Group::hold_disk(MemberId id) { members_.at(id).disk_held = true; }

void Group::release_disk(MemberId id) {
  Member& member = members_.at(id);
  member.disk_held = false;
  if (!member.unwritten.empty()) write(id, member);
  after_event(id);
}

void Group::note_changes(MemberId id, const Status& before) {
  const Status now = members_.at(id).core->status();
  if (now.role != before.role || now.term != before.term || now.leader != before.leader) {
    std::string text = "  " + say(id) + " is " + to_string(now.role);
    if (now.role == raft::RoleName::kFollower && now.leader) text += " of " + say(*now.leader);
    line(text + " in term " + std::to_string(now.term));
  }
  if (now.commit != before.commit) {
    line("  " + say(id) + " commits " + std::to_string(now.commit));
  }
}

void Group::hand_over(MemberId from, MemberId to, const raft::Message& message) {
  if (!quiet_) line(say(from) + "->" + say(to) + " " + say(message));
  const auto receiver = members_.find(to);
  if (receiver == members_.end() || receiver->second.core == nullptr) return;
  receiver->second.core->on_message(from, message, now_);
  after_event(to);
}

void Group::deliver(MemberId from, MemberId to) {
  std::deque<raft::Message> messages = std::exchange(links_[{from, to}], {});
  for (const raft::Message& message : messages) hand_over(from, to, message);
}

void Group::deliver() {
  auto links = std::exchange(links_, {});
  for (auto& [link, messages] : links) {
    for (const raft::Message& message : messages) hand_over(link.first, link.second, message);
  }
}

void Group::settle() {
  while (!links_.empty()) deliver();
}

void Group::repeat(MemberId from, MemberId to) {
  auto& messages = links_[{from, to}];
  const auto once = messages;
  messages.insert(messages.end(), once.begin(), once.end());
}

void Group::reverse(MemberId from, MemberId to) {
  auto& messages = links_[{from, to}];
  std::reverse(messages.begin(), messages.end());
}

void Group::drop(MemberId from, MemberId to) { links_[{from, to}].clear(); }
void Group::drop() { links_.clear(); }

std::vector<MemberId> Group::members() const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_) ids.push_back(id);
  return ids;
}

}  // namespace quorate::conversation
