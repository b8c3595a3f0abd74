// Stage: where one conversation is played. Understands the lines of a case one by one and tells
// what each of them led to.
//
//   pool redis A B C key=value …  a pool of these backends; again: a new plan. A!keep and A!rehash
//                                 are ejected. Keys a, b, c (and tags {a} …) belong to A, B, C
//   1> GET a | SET b 2            client 1 sends, in one read; it connects when first named
//   1/3> GET a                    the same, three bytes at a time
//   1>> *1\r\n                    these bytes, and no line end behind them
//   A< $1\r\nx | +OK              backend A's connection answers; A/3<, A<< likewise
//   A~< subscribe x 1             its feed says: an array of these words, the last one a number
//   A~< message x hello           if the first is about (un)subscribing
//   1 ends · breaks · takes 100 · takes nothing · takes all        A likewise
//   A refuses · hangs · accepts · is silent    what becomes of its next connections
//   time 500ms
//   together … apart              the events between them happen in one turn of the loop
//   drain
//   show                          counters that are not zero
//
// A backend's connections are called A; those of RESP3 A3, of the binary protocol Ab; side links
// A+1, A+2 …; a second main one A:2. One that was replaced and still serves is A'. Greetings are
// A pinned one is A*1, the feed A~. Greetings are
// answered on their own (CLIENT ID: 100 and more), unless a backend "is silent".
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/conversation/relay/notation.h"
#include "tests/simulation/relay/plans.h"
#include "tests/simulation/relay/relay_loop.h"

namespace quorate::conversation {

class Stage {
 public:
  Stage();
  ~Stage();

  /// Performs one line; what followed, a line each. A line it does not understand is answered so.
  std::vector<std::string> perform(std::string_view line);

 private:
  enum class Welcome : uint8_t { kAccepts, kRefuses, kHangs, kSilent };
  struct Seen {
    std::string name;
    link::Flavor flavor{};
    bool is_told_closed = false;
  };

  bool understand(std::string_view line);
  void make_pool(std::string_view text);
  bool set_option(std::string_view name, std::string_view value);
  bool speak(std::string_view who, std::string_view text, bool raw);
  bool act(std::string_view who, std::string_view what);
  void let_pass(base::Duration duration);
  void show();
  void pump();
  void answer_dials();
  void answer_greetings();
  void collect();
  void say(std::string line) { said_.push_back(std::move(line)); }
  simulation::Socket* client(uint64_t number);
  simulation::Socket* socket_named(std::string_view name);
  std::string name_for(const simulation::Socket& socket) const;

  relay::PoolPlan settings_;
  std::string backend_user_;
  std::string backend_password_;
  uint16_t backend_database_ = 0;
  std::unique_ptr<simulation::RelayLoop> loop_;
  std::map<uint64_t, uint64_t> clients_;  // the script's number -> the socket's
  std::map<uint64_t, Seen> seen_;         // by the socket's number
  std::map<char, Welcome> welcomes_;
  std::vector<simulation::Dial> waiting_;
  bool together_ = false;
  std::vector<std::string> said_;
};

}  // namespace quorate::conversation
