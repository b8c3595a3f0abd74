// Follower::State: the Follower itself; see follower.h. following.cpp is the connection and the
// map, follower.cpp the way in and out, and requests.
#pragma once

#include <map>

#include "consensus/base/random.h"
#include "consensus/group/follower.h"
#include "consensus/group/messages.h"

namespace quorate::group {

class Follower::State {
 public:
  State(Self process, const Options& options, std::vector<std::string> voters, uint64_t seed,
        Instant now);

  void on_connected(Instant now);
  void on_lost(Instant now);
  bool on_message(std::string_view bytes, Instant now);
  void on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now);
  void on_time(Instant now);
  void set_voters(std::vector<std::string> voters);
  void request(RequestId id, Request what, Instant now);
  FollowerOutput take_output();
  Instant next_deadline() const;

  const cluster::ClusterMap& map() const { return map_; }
  std::shared_ptr<const cluster::ClusterMap> published() const { return published_; }
  FollowerStatus status(Instant now) const;

 private:
  enum class Link : uint8_t { kNone, kConnecting, kOpen };
  struct Pending {
    std::optional<RequestId> id;  ///< none: for this process's own session
    Request what;
    Instant deadline{};
    bool sent = false;
  };

  // following.cpp
  void connect();
  void lose();
  void leave(const std::string& why);
  Duration interval() const;
  void handle(Piece message);
  void handle(const Changes& message);
  void handle(const Beat& message);
  void handle(const ProposeEnd& message);
  void handle(const Goodbye& message);
  void take_map(const std::string& bytes);
  bool apply(const FeedEntry& entry);
  void watch_map();
  void confirm();
  void check_whether_behind();
  std::vector<std::string> known_voters() const;

  // follower.cpp
  void send(const ObserverMessage& message);
  void send_waiting();
  void start(std::optional<RequestId> id, Request what);
  void finish(uint64_t number, Outcome outcome);
  void expire_requests();
  void want_session();
  void note(EventKind kind, std::string text) { output_.events.push_back({kind, std::move(text)}); }

  Self process_;
  Options options_;
  base::Random random_;
  Instant now_;

  // The connection.
  std::vector<std::string> voters_;  ///< to begin with
  std::string voter_;
  Link link_ = Link::kNone;
  bool heard_anything_ = false;  ///< on this connection
  size_t tries_ = 0;             ///< since one was heard
  Instant next_try_{};
  Instant heard_{};  ///< also: when the attempt to connect was begun
  Instant led_{};    ///< when the voter last knew a leader
  raft::Term term_ = 0;
  std::optional<MemberId> leader_;  ///< as the voter said last
  Instant next_confirm_{};
  uint64_t messages_ = 0;  ///< Pieces and Changes on this connection

  // The map.
  cluster::ClusterMap map_;
  bool has_map_ = false;
  std::shared_ptr<const cluster::ClusterMap> published_;
  bool map_changed_ = false;
  std::string snapshot_;  ///< as far as it has come
  Index voters_index_ = 0;
  Instant behind_since_;
  bool upgrade_needed_ = false;
  SessionId session_{};

  // Requests.
  uint64_t last_request_ = 0;
  std::map<uint64_t, Pending> pending_;
  bool session_asked_ = false;
  Instant next_session_try_{};
  std::string session_refusal_;  ///< the last, said once
  Index session_index_ = 0;      ///< not missed before this has been applied

  FollowerOutput output_;
};

}  // namespace quorate::group
