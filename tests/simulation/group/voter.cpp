#include "tests/simulation/group/voter.h"

#include "consensus/cluster/cluster_codec.h"

namespace quorate::group_simulation {

Voter::Voter(World& world, const Setting& setting, Oracle& oracle, Backends& backends, Lines& lines,
             Outside outside, MemberId id, std::optional<raft::Configuration> founds)
    : Process(world, setting.clock_ppm),
      setting_(setting),
      oracle_(oracle),
      backends_(backends),
      lines_(lines),
      outside_(std::move(outside)),
      id_(id),
      founds_(std::move(founds)) {}

void Voter::start() {
  begin_life();
  world_.counted.add(Count::kRestarts);
  if (empty_ && founds_) {
    const raft::Persist order = raft::founding(*founds_);
    durable_.hard_state = *order.hard_state;
    durable_.entries = order.entries;
  }
  empty_ = false;
  group::Self self{.name = "proxy-" + std::to_string(raft::number(id_)),
                   .address = address(),
                   .nonce = {world_.random.next(), world_.random.next() | 1},
                   .coordinator = true};
  if (const auto problem = group::Group::problem_with(durable_)) throw Violation{*problem};
  group_ = std::make_unique<group::Group>(id_, self, setting_.options, durable_,
                                          world_.random.next(), local_now());
  followed_ = ClusterMap();
  log_.clear();
  if (durable_.snapshot != nullptr) {
    followed_ = cluster::decode_map(durable_.snapshot->state).value();
  }
  for (const raft::EntryRef& entry : durable_.entries) log_[entry->index] = entry;
  shown_ = nullptr;
  proposed_ = checked_ = 0;
  world_.trace(1, raft::number(id_), 0, [&] { return address() + " starts"; });
  pump();
}

void Voter::stop(bool silently) {
  end_life();
  world_.counted.add(Count::kKills);
  // Of what was not synced, the first part may be there.
  size_t kept = world_.random.below(unsynced_.size() + 1);
  world_.counted.add(Count::kLostOrders, unsynced_.size() - kept);
  for (; kept > 0; --kept) {
    sync(unsynced_.front());
    unsynced_.pop_front();
  }
  unsynced_.clear();
  being_written_ = 0;
  group_.reset();
  observers_.clear();
  backends_.forget(id_);
  lines_.close_all_of(address(), silently);
  world_.trace(2, raft::number(id_), silently ? 1 : 0, [&] { return address() + " dies"; });
  outside_.died(id_);
}

// ---- Events.

void Voter::receive(MemberId from, const std::string& bytes) {
  when_awake([this, from, bytes] {
    world_.trace(3, raft::number(id_), digest(bytes), [&] {
      return std::to_string(raft::number(from)) + " -> " + address() + ": " +
             std::to_string(bytes.size()) + " bytes";
    });
    if (!group_->on_message(from, bytes, local_now())) throw Violation{"a message is refused"};
    pump();
  });
}

void Voter::connection_lost(MemberId peer) {
  when_awake([this, peer] {
    group_->on_connection_lost(peer, local_now());
    pump();
  });
}

void Voter::request(group::RequestId id, group::Request what) {
  if (!leads()) world_.counted.add(Count::kForwarded);
  group_->request(id, std::move(what), local_now());
  pump();
}

void Voter::traffic(BackendSerial backend) {
  when_awake([this, backend] {
    group_->on_traffic(backend, 1, local_now());
    pump();
  });
}

LineEnd Voter::line_end() {
  LineEnd end;
  end.opened = [this](ConnectionId line) {
    when_awake([this, line] {
      observers_.insert(line);
      group_->on_observer_connected(line, local_now());
      pump();
    });
  };
  end.arrived = [this](ConnectionId line, const std::string& bytes) {
    when_awake([this, line, bytes] {
      if (!observers_.contains(line)) return;
      if (!group_->on_observer_message(line, bytes, local_now())) {
        throw Violation{"an observer's message is refused"};
      }
      pump();
    });
  };
  end.lost = [this](ConnectionId line) {
    when_awake([this, line] {
      if (observers_.erase(line) == 0) return;
      group_->on_observer_lost(line, local_now());
      pump();
    });
  };
  return end;
}

// ---- What the Group wants done.

void Voter::pump() {
  bool more = true;
  while (more) {
    group::Output output = group_->take_output();
    more = output.more;
    carry_out(output);
    if (!running()) return;
  }
  // Looking at the whole map takes its time: only when there is another one.
  if (std::exchange(checked_, group_->map().index) != group_->map().index) {
    group_->check_invariants();
  }
  write();
  arm(group_->next_deadline(), [this] {
    group_->on_time(local_now());
    pump();
  });
}

void Voter::carry_out(group::Output& output) {
  if (output.fatal) throw Violation{address() + " has to stop: " + *output.fatal};
  if (output.persist) {
    watch_proposals(*output.persist);
    unsynced_.push_back(std::move(*output.persist));
  }
  watch_applied();
  for (const group::MemberEnvelope& envelope : output.to_members) {
    outside_.send(id_, envelope.to, *envelope.bytes);
  }
  for (const group::ObserverEnvelope& envelope : output.to_observers) {
    lines_.send_to_observer(envelope.to, envelope.bytes);
  }
  for (const ConnectionId line : output.close) {
    observers_.erase(line);
    lines_.close(line, true, false);
  }
  if (output.map != nullptr) {
    oracle_.saw_map(address(), shown_.get(), *output.map);
    shown_ = output.map;
    world_.trace(4, raft::number(id_), output.map->index, [&] {
      return address() + " has the map of " + std::to_string(output.map->index);
    });
    outside_.published(address(), *output.map);
  }
  for (const group::RequestEnd& end : output.ended) outside_.ended(id_, end);
  for (const group::ProbeOrder& order : output.probes) order_probe(order);
  for (const group::Event& event : output.events) {
    if (event.kind == group::EventKind::kHeld) world_.counted.add(Count::kHeld);
    if (event.kind == group::EventKind::kProtocol) throw Violation{event.text};
    world_.trace(5, raft::number(id_), static_cast<uint64_t>(event.kind),
                 [&] { return address() + ": " + event.text; });
  }
}

/// What the leader appends to its log, it proposes just now.
void Voter::watch_proposals(const raft::Persist& order) {
  if (order.snapshot != nullptr && order.snapshot_replaces_log) {
    world_.counted.add(Count::kSnapshotsRestored);
    log_.clear();
    if (order.snapshot->head.index > followed_.index) {
      followed_ = cluster::decode_map(order.snapshot->state).value();
    }
  }
  const group::GroupStatus status = group_->status();
  for (const raft::EntryRef& entry : order.entries) {
    log_[entry->index] = entry;
    const auto* command = std::get_if<raft::Command>(&entry->data);
    const bool own = status.leads && entry->term == status.raft.term;
    if (std::holds_alternative<raft::Noop>(entry->data) && own) {
      world_.counted.add(Count::kLeaders);
    }
    if (command == nullptr || !own || entry->index <= proposed_) continue;
    proposed_ = entry->index;
    const auto change = cluster::decode_change(command->bytes);
    oracle_.saw_proposed(id_, group_->configuration(), change.value(), group_->map());
  }
}

void Voter::watch_applied() {
  while (followed_.index < group_->map().index) {
    const auto found = log_.find(followed_.index + 1);
    if (found == log_.end()) throw Violation{"an entry is applied that was never seen"};
    const raft::Entry& entry = *found->second;
    ClusterMap after = followed_;
    if (const auto* command = std::get_if<raft::Command>(&entry.data)) {
      const auto change = cluster::decode_change(command->bytes);
      (void)cluster::apply(after, entry.index, change.value()).ok();
    } else if (const auto* members = std::get_if<raft::Configuration>(&entry.data)) {
      cluster::apply(after, entry.index, *members);
    }
    after.index = entry.index;
    oracle_.saw_applied(entry, followed_, after);
    followed_ = std::move(after);
  }
}

void Voter::order_probe(const group::ProbeOrder& order) {
  const auto backend = group_->map().backends.find(order.backend);
  if (backend == group_->map().backends.end()) return;
  backends_.probe(id_, *this, backend->second.rules.address, order,
                  [this](const group::ProbeResult& result) {
                    group_->on_probe(result, local_now());
                    pump();
                  });
}

// ---- The disk.

void Voter::write() {
  if (being_written_ > 0 || unsynced_.empty()) return;
  being_written_ = unsynced_.size();
  const Duration least = setting_.disk_latency / 2;
  world_.after(world_.between(least, 3 * least), in_this_life([this] { finish_write(); }));
}

void Voter::finish_write() {
  const uint64_t sequence = unsynced_[being_written_ - 1].sequence;
  for (; being_written_ > 0; --being_written_) {
    sync(unsynced_.front());
    unsynced_.pop_front();
  }
  when_awake([this, sequence] {
    group_->on_persisted(sequence, local_now());
    pump();
  });
}

void Voter::sync(const raft::Persist& order) {
  if (order.hard_state) durable_.hard_state = *order.hard_state;
  if (order.snapshot_replaces_log) durable_.entries.clear();
  if (order.snapshot != nullptr) {
    durable_.snapshot = order.snapshot;
    std::erase_if(durable_.entries, [&](const raft::EntryRef& entry) {
      return entry->index <= order.snapshot->head.index;
    });
  }
  if (order.entries.empty()) return;
  const Index first = order.entries.front()->index;
  std::erase_if(durable_.entries,
                [first](const raft::EntryRef& entry) { return entry->index >= first; });
  durable_.entries.insert(durable_.entries.end(), order.entries.begin(), order.entries.end());
}

}  // namespace quorate::group_simulation
