#include "tests/simulation/group/observer.h"

namespace quorate::group_simulation {

Observer::Observer(World& world, const Setting& setting, Oracle& oracle, Lines& lines,
                   Outside outside, std::string name, std::vector<std::string> voters,
                   std::optional<uint32_t> ttl_ms)
    : Process(world, setting.clock_ppm),
      setting_(setting),
      oracle_(oracle),
      lines_(lines),
      outside_(std::move(outside)),
      name_(std::move(name)),
      voters_(std::move(voters)),
      ttl_ms_(ttl_ms) {}

void Observer::start() {
  begin_life();
  nonce_ = {world_.random.next(), world_.random.next() | 1};
  group::Self self{.name = name_,
                   .address = name_,
                   .nonce = nonce_,
                   .wants_session = ttl_ms_.has_value(),
                   .coordinator = ttl_ms_ == 0,
                   .session_ttl_ms = ttl_ms_.value_or(0)};
  line_.reset();
  shown_ = nullptr;
  followed_.clear();
  follower_ = std::make_unique<group::Follower>(self, setting_.options, voters_,
                                                world_.random.next(), local_now());
  world_.trace(6, digest(name_), 0, [&] { return name_ + " starts"; });
  follower_->on_time(local_now());
  pump();
}

void Observer::stop(bool silently) {
  end_life();
  lines_.close_all_of(name_, silently);
  follower_.reset();
  world_.trace(7, digest(name_), 0, [&] { return name_ + " dies"; });
  outside_.died(name_);
}

void Observer::request(group::RequestId id, group::Request what) {
  world_.counted.add(Count::kForwardedByObserver);
  follower_->request(id, std::move(what), local_now());
  pump();
}

void Observer::traffic(BackendSerial backend) {
  when_awake([this, backend] {
    follower_->on_traffic(backend, 1, local_now());
    pump();
  });
}

void Observer::pump() {
  group::FollowerOutput output = follower_->take_output();
  carry_out(output);
  arm(follower_->next_deadline(), [this] {
    follower_->on_time(local_now());
    pump();
  });
}

void Observer::carry_out(group::FollowerOutput& output) {
  if (output.disconnect && line_) {
    lines_.close(*line_, false, false);
    line_.reset();
  }
  if (output.connect) connect(*output.connect);
  for (const Bytes& bytes : output.send) {
    if (line_) lines_.send_to_voter(*line_, bytes);
  }
  if (output.map != nullptr) {
    oracle_.saw_map(name_, shown_.get(), *output.map);
    shown_ = output.map;
    world_.trace(8, digest(name_), output.map->index,
                 [&] { return name_ + " has the map of " + std::to_string(output.map->index); });
    outside_.published(name_, *output.map);
  }
  for (const group::RequestEnd& end : output.ended) outside_.ended(name_, end);
  for (const group::Event& event : output.events) {
    if (event.kind == group::EventKind::kProtocol) throw Violation{name_ + ": " + event.text};
    world_.trace(9, digest(name_), static_cast<uint64_t>(event.kind),
                 [&] { return name_ + ": " + event.text; });
  }
}

void Observer::connect(const std::string& voter) {
  if (!followed_.empty() && followed_ != voter) world_.counted.add(Count::kObserversMoved);
  followed_ = voter;
  LineEnd end;
  const auto mine = [this](ConnectionId line) { return line_ == line; };
  end.opened = [this, mine](ConnectionId line) {
    when_awake([this, mine, line] {
      if (!mine(line)) return;
      follower_->on_connected(local_now());
      pump();
    });
  };
  end.arrived = [this, mine](ConnectionId line, const std::string& bytes) {
    when_awake([this, mine, line, bytes] {
      if (!mine(line)) return;
      const auto kind = static_cast<uint8_t>(bytes.front());
      if (kind == 1) world_.counted.add(Count::kFeedSnapshots);
      if (kind == 2) world_.counted.add(Count::kFeedChanges);
      if (!follower_->on_message(bytes, local_now())) {
        throw Violation{"a voter's message is refused"};
      }
      pump();
    });
  };
  end.lost = [this, mine](ConnectionId line) {
    when_awake([this, mine, line] {
      if (!mine(line)) return;
      line_.reset();
      follower_->on_lost(local_now());
      pump();
    });
  };
  line_ = outside_.connect(name_, voter, end);
}

}  // namespace quorate::group_simulation
