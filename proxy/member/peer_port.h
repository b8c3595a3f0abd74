// PeerPort: the sockets between this member and others, all on the control loop.
//
//   members     each dials every other one and sends on what it dialed; what a member sends is
//   taken
//               from whatever connection it comes on, and answered there if there is no other
//   observers   dial a voter; the connection that their first message comes on is theirs
//   newcomers   dial any member and ask (joining.h)
//
// What is on a connection, who may speak on it and how much may wait is peer::Connection's to say.
// Nothing is told from within a call: send() only queues, flush() writes, and what there is to tell
// is told from the loop.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "backends/io/dialer.h"
#include "backends/io/stream.h"
#include "consensus/base/random.h"
#include "consensus/group/output.h"
#include "proxy/peer/connection.h"

namespace quorate::member {

/// As Hello has it.
peer::ClusterId wire(const cluster::Nonce& nonce);

class PeerPort final : private io::Stream::Listener {
 public:
  /// What happens on the connections. False: what came cannot be, the connection ends.
  struct Upcalls {
    std::function<bool(raft::MemberId from, std::string_view bytes)> on_member_message;
    std::function<void(raft::MemberId member)> on_member_lost;
    /// Of a connection that this member made and that was never established.
    std::function<void(raft::MemberId member, const std::string& why)> on_member_failed;
    std::function<void(group::ConnectionId)> on_observer_connected;
    std::function<bool(group::ConnectionId, std::string_view bytes)> on_observer_message;
    std::function<void(group::ConnectionId)> on_observer_lost;
    std::function<void(const std::string& question, std::function<void(std::string)> answer)>
        on_request;
    /// Of a member or an observer; `way_back` is what reply_forward() takes.
    std::function<bool(uint64_t way_back, std::string_view bytes)> on_forward;
    std::function<bool(raft::MemberId from, std::string_view bytes)> on_forward_reply;
    // Of the one connection that connect_to_voter() made.
    std::function<void()> on_voter_connected;
    std::function<bool(std::string_view bytes)> on_voter_message;
    std::function<void(const std::string& why)> on_voter_lost;  ///< "address: why"
    std::function<void()> after;  ///< something of the above has been called
  };

  PeerPort(uv_loop_t* loop, io::ReadBuffer& buffer, peer::Local local, uint64_t seed,
           Upcalls upcalls);
  ~PeerPort() override;

  /// Accepts on a bound descriptor, which it then owns. Returns 0 or a libuv error.
  int listen(int descriptor);
  /// The loop has to run until handles are closed. Nothing is told any more.
  void close();

  /// Who this member is to say it is, from the next connection on.
  peer::Local& local() { return local_; }

  /// The members to be connected to; connections to others end.
  void set_members(const std::map<raft::MemberId, std::string>& addresses);
  /// May be lost; on_member_lost then tells.
  void send_to_member(raft::MemberId to, std::string_view bytes);
  bool is_connected(raft::MemberId member) const;
  /// Whether each member has been connected to, or could not be, at least once.
  bool has_tried_all() const;
  /// False: certainly not sent. Otherwise it arrives, in order with others, and is replied to, or
  /// on_member_lost tells. What is sent to a member that cannot take it closes no connection.
  bool forward_to_member(raft::MemberId to, std::string_view bytes);
  /// False: nobody will hear of it.
  bool reply_forward(uint64_t way_back, std::string_view bytes);
  /// Arrives, in order, or the connection ends.
  void send_to_observer(group::ConnectionId to, std::string_view bytes);
  void close_observer(group::ConnectionId connection);
  size_t observer_count() const;

  void connect_to_voter(const std::string& address);
  void disconnect_from_voter();
  void send_to_voter(std::string_view bytes);

  /// Asks a member once; an empty answer: there was none.
  void ask(const std::string& address, const std::string& question,
           std::function<void(std::string answer, std::string problem)> done);

  /// Writes what is queued, and closes what has ended.
  void flush();

 private:
  enum class Purpose : uint8_t { kMember, kIncoming, kVoter, kQuestion };
  struct Link;
  struct Dialed;

  Link& add_link(Purpose purpose);
  Link* find(uint64_t id);
  void begin(Link& link, peer::Side side, io::Stream* stream);
  void dial_member(raft::MemberId member);
  void dial(Link& link, const std::string& address);
  void on_dialed(uint64_t id, io::Stream* stream);
  void accept();
  void take_frames(uint64_t id);
  bool dispatch(Link& link, const peer::Frame& frame);
  void on_established(Link& link);
  void answer(uint64_t id, const std::string& text);
  peer::SendResult send(Link& link, peer::FrameKind kind, std::string_view bytes);
  Link* link_to(raft::MemberId member);
  const Link* link_to(raft::MemberId member) const;
  Link* voter_link();
  void write(Link& link);
  void lose(Link& link, const std::string& why);
  void sweep();
  void tick();
  void told();

  void on_connected(io::Stream&, int) override {}
  void on_read(io::Stream& stream, const char* bytes, size_t count) override;
  void on_end(io::Stream& stream, int status) override;
  void on_written(io::Stream& stream, size_t count) override;

  uv_loop_t* loop_;
  io::ReadBuffer& buffer_;
  peer::Local local_;
  Upcalls upcalls_;
  io::Dialer dialer_;
  base::Random random_;
  uv_tcp_t* listener_ = nullptr;
  uv_timer_t* timer_ = nullptr;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<Link>> links_;
  std::map<raft::MemberId, Dialed> members_;
  std::map<std::string, std::string> voter_problems_;  ///< by address; the last that were logged
  std::set<raft::MemberId> undelivered_;               ///< to whom something could not be sent
};

}  // namespace quorate::member
