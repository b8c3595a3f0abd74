#include "proxy/process/forwarding.h"

#include "proxy/relay/replication.h"

namespace quorate::process {

void Forwarding::deliver(std::vector<relay::Forward> forwards) {
  std::vector<std::vector<relay::Forward>> here(workers_.size());
  std::vector<relay::Forward> others;
  for (relay::Forward& forward : forwards) {
    if (!forward.is_local) {
      others.push_back(std::move(forward));
      continue;
    }
    const auto workers = static_cast<uint32_t>(workers_.size());
    const uint32_t target =
        forward.is_reply ? forward.header.worker : relay::worker_of(forward.header.slot, workers);
    here[target].push_back(std::move(forward));
  }
  for (size_t i = 0; i < here.size(); ++i) {
    if (!here[i].empty()) workers_[i]->take_forwards(std::move(here[i]));
  }
  if (others.empty()) return;
  mailbox_.post([this, others = std::move(others)] { send(others); });
}

void Forwarding::send(const std::vector<relay::Forward>& forwards) {
  for (const relay::Forward& forward : forwards) send(forward);
  if (membership_ != nullptr) membership_->flush_forwards();
}

void Forwarding::send(const relay::Forward& forward) {
  if (membership_ == nullptr) return;
  if (forward.is_reply) {
    membership_->reply_forward(forward.way_back, relay::encode(forward));
    return;
  }
  const auto map = membership_->map();
  const auto session = map->sessions.find(forward.header.to);
  const bool sent = session != map->sessions.end() && raft::number(session->second.member) != 0 &&
                    membership_->forward_to_member(session->second.member, relay::encode(forward));
  if (!sent) give_back(forward);
}

void Forwarding::give_back(const relay::Forward& forward) {
  relay::Forward reply;
  reply.header = forward.header;
  reply.is_reply = true;
  reply.bytes = relay::Replication::not_delivered();
  workers_[forward.header.worker]->take_forwards({std::move(reply)});
}

bool Forwarding::on_request(uint64_t way_back, std::string_view bytes) {
  auto forward = relay::decode_forward(bytes);
  if (!forward) return false;
  forward->way_back = way_back;
  const uint16_t slot = forward->header.slot;
  const uint32_t target = relay::worker_of(slot, static_cast<uint32_t>(workers_.size()));
  if (target < workers_.size()) workers_[target]->take_forwards({std::move(*forward)});
  return true;
}

bool Forwarding::on_reply(std::string_view bytes) {
  auto forward = relay::decode_forward(bytes);
  if (!forward || forward->header.worker >= workers_.size()) return false;
  forward->is_reply = true;
  const uint32_t target = forward->header.worker;
  workers_[target]->take_forwards({std::move(*forward)});
  return true;
}

void Forwarding::on_member_lost(raft::MemberId member) {
  if (membership_ == nullptr) return;
  for (const auto& [id, session] : membership_->map()->sessions) {
    if (session.member != member) continue;
    for (const auto& worker : workers_) worker->lose_peer(id);
  }
}

}  // namespace quorate::process
