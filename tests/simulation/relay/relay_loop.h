// RelayLoop: proxy/io's Worker without libuv, for tests: it drives one Relay exactly as the worker
// does (one buffer with room for a carry in front, one write per channel and turn, what a socket
// does not take is handed over and counted as the worker counts it), between sockets that are two
// strings and a number of bytes that still fit.
//
// Decides nothing and draws nothing at random: whoever uses it says which socket has bytes, how
// many of them are read, how many fit, and when a turn of the loop ends (flush()). Several events
// in one turn are possible, as they are in a worker.
//
// Checks what the worker would assert, and that bytes handed to a socket do not change under it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/relay/relay.h"

namespace quorate::simulation {

/// One socket of the relay's, and the peer on the other side of it.
struct Socket {
  uint64_t number = 0;
  bool is_client = false;
  base::SlabId session{};      ///< a client's
  link::Link* link = nullptr;  ///< a backend's; nullptr once closed
  uint32_t backend = 0;
  uint64_t opening = 0;

  std::string to_relay;    ///< the peer sent it, the relay has not read it yet
  bool ended = false;      ///< behind to_relay the peer has ended its side
  bool broken = false;     ///< the next read fails
  std::string from_relay;  ///< arrived at the peer, which takes it from here
  size_t room = SIZE_MAX;  ///< bytes that the socket still takes
  bool open = true;        ///< false: the relay has closed it
  bool reading = false;    ///< the relay wants to read

  /// Handed over, not taken by the socket yet: the worker's uv_write.
  struct Span {
    const char* bytes;
    size_t size;
  };
  std::vector<Span> writing;
  std::string writing_copy;  ///< what `writing` said when it was handed over
  size_t written = 0;        ///< of `writing`
  std::string owned;         ///< a backend's `writing` points here
  bool is_writing() const { return !writing_copy.empty(); }
  bool readable() const { return open && reading && (broken || ended || !to_relay.empty()); }
};

/// A connection the relay wants.
struct Dial {
  uint32_t backend = 0;
  uint64_t opening = 0;
  link::Link* link = nullptr;  ///< for its name only: it may be closed and opened again by now
};

/// What happened, for who counts how often interesting things do.
struct LoopCounters {
  uint64_t through = 0;         ///< pieces written without a copy
  uint64_t through_kept = 0;    ///< of them, those that the socket did not take whole
  uint64_t session_writes = 0;  ///< handed to libuv, as the socket was full
  uint64_t link_writes = 0;
  uint64_t carried = 0;  ///< reads with something in front
  uint64_t flushes = 0;
};

class RelayLoop {
 public:
  RelayLoop(uint64_t seed, std::shared_ptr<const relay::ServingPlan> plan);
  ~RelayLoop();
  RelayLoop(const RelayLoop&) = delete;
  RelayLoop& operator=(const RelayLoop&) = delete;

  relay::Relay& relay() { return *relay_; }
  base::Instant now() const { return now_; }
  /// Time only grows. Deadlines that pass are told one by one, each followed by a flush.
  void advance_to(base::Instant now);
  base::Instant next_deadline() const { return relay_->next_deadline(); }

  Socket& accept(uint32_t pool);
  /// Connections asked for since the last call, in order.
  std::vector<Dial> take_dials() { return std::exchange(dials_, {}); }
  /// nullptr: the relay has given it up meanwhile.
  Socket* connected(const Dial& dial);
  void refused(const Dial& dial);

  /// One read of at most `at_most` bytes, or the end. False: the relay does not read, or there is
  /// nothing.
  bool read(Socket& socket, size_t at_most = SIZE_MAX);
  /// The socket takes `bytes` more.
  void make_room(Socket& socket, size_t bytes);
  void adopt(std::shared_ptr<const relay::ServingPlan> plan);
  void drain();
  /// The end of a turn: what the relay left is carried out.
  void flush();

  /// Forgets a socket that the relay has closed.
  void forget(Socket& socket);
  Socket* socket(uint64_t number);
  template <class Visit>
  void for_each_socket(Visit&& visit) {
    for (auto& [number, socket] : sockets_) visit(*socket);
  }
  size_t socket_count() const { return sockets_.size(); }

  /// Asserts what must hold between any two turns.
  void check_invariants();

  LoopCounters counters;
  std::vector<relay::LinkEvent> events;  ///< since somebody cleared them

 private:
  static constexpr size_t kMostBuffers = 64;

  void on_read(Socket& socket, std::string bytes);
  void flush_links();
  void flush_link(link::Link& link);
  void flush_sessions();
  void flush_session(relay::Session& session);
  void write_through();
  void lose_link(Socket& socket, relay::LinkLoss loss);
  void close_session(relay::Session& session);
  void close(Socket& socket);
  size_t try_write(Socket& socket, const std::vector<Socket::Span>& spans);
  void start_write(Socket& socket, const std::vector<Socket::Span>& spans, bool copy);
  void go_on_writing(Socket& socket);
  Socket& add_socket();
  static Socket& socket_of(link::Channel& channel) { return *static_cast<Socket*>(channel.io); }

  relay::ProcessFacts facts_;
  base::Instant now_{std::chrono::seconds(1000)};
  std::unique_ptr<relay::Relay> relay_;
  uint64_t last_number_ = 0;
  uint64_t last_client_id_ = 0;
  std::map<uint64_t, std::unique_ptr<Socket>> sockets_;
  std::vector<Dial> dials_;
};

}  // namespace quorate::simulation
