// Upstream: one backend as one worker sees it: its links, whether it is worth trying, who waits for
// it.
//
// Of each flavor in use there are `connections` main links, shared by all sessions, and links that
// are lent to one session at a time: up to `side_connections` side links for values above 64 KiB,
// up to `pinned_connections` pinned ones for transactions and blocking commands. One more, the
// feed, is the worker's own: the messages of all channels that its clients have subscribed to.
//
// A backend whose connection could not be made is *down*: its commands fail at once, while a new
// attempt is made in the background with a growing, jittered pause. A connection lost after it
// served is made again at once, once.
//
// Pure: opening a link means putting it on the list that open_requests() returns.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "backends/link/counters.h"
#include "backends/link/link.h"
#include "consensus/base/random.h"

namespace quorate::link {

struct UpstreamRules {
  uint32_t connections = 1;
  uint32_t side_connections = 32;
  uint32_t pinned_connections = 1024;
  base::Duration connect_timeout{};
  base::Duration request_timeout{};
  base::Duration backoff{};
  base::Duration backoff_max{};
  bool preconnect = true;
};

/// A read that waits for a side link, to be asked there (again).
struct DeferredAsk {
  Pending pending;
  base::ByteChain bytes;
};

class Upstream {
 public:
  Upstream(uint32_t number, uint32_t pool, std::string label, const UpstreamRules& rules)
      : number_(number),
        pool_(pool),
        label_(std::move(label)),
        rules_(rules),
        backoff_(rules.backoff) {}

  uint32_t number() const { return number_; }
  uint32_t pool() const { return pool_; }
  const std::string& label() const { return label_; }
  const UpstreamRules& rules() const { return rules_; }
  void set_rules(const UpstreamRules& rules) { rules_ = rules; }

  /// Down, ejected or removed: commands fail at once.
  bool available() const { return (obstacles_ & (kDown | kEjected | kRemoved)) == 0; }
  bool down() const { return (obstacles_ & kDown) != 0; }
  bool ejected() const { return (obstacles_ & kEjected) != 0; }
  /// When it comes back, what failed before is not held against it.
  void set_ejected(bool ejected) {
    if (this->ejected() && !ejected) counters.failures_in_a_row = 0;
    set(kEjected, ejected);
  }
  bool removed() const { return (obstacles_ & kRemoved) != 0; }
  void set_removed() { set(kRemoved, true); }
  /// It is configured again: nothing is held against it.
  void set_added_again() {
    set(kRemoved | kDown, false);
    backoff_ = rules_.backoff;
  }

  /// Whatever failed may be tried at once.
  void forgive(base::Instant now) {
    backoff_ = rules_.backoff;
    retry_at_ = now;
    for_each_link([now](Link& link) { link.set_not_before(now); });
  }

  /// The main link that the session at `place` uses. REQUIRES: available(). It may have to be
  /// opened.
  Link& main_link(Flavor flavor, uint32_t place);
  /// A free side or pinned link, perhaps one to be opened; nullptr: all are lent, or failed just
  /// now.
  Link* take(LinkKind kind, Flavor flavor, base::Instant now);
  void give_back(Link& link);
  /// Some link of the kind is not lent, though it may have failed just now.
  bool has_free(LinkKind kind, Flavor flavor) const;

  /// The link that messages come on. It may have to be opened.
  Link& feed() {
    if (feed_ == nullptr) feed_ = std::make_unique<Link>(number_, Flavor::kResp2, LinkKind::kFeed);
    return *feed_;
  }

  /// `link` will be replaced in its place and close once it is empty.
  void retire(Link& link);
  /// Links that were replaced and still hold requests; a session must not overtake its own there.
  bool has_retiring() const { return (obstacles_ & kRetiring) != 0; }
  size_t retiring_count() const { return retiring_.size(); }

  /// main_link() if it is open and nothing stands against using it; nullptr: ask in detail.
  Link* plain_link(Flavor flavor, uint32_t place) {
    const auto& main = links_of(flavor).main;
    if (obstacles_ != 0 || place_of(place) >= main.size()) [[unlikely]]
      return nullptr;
    return main[place_of(place)].get();
  }

  /// `link` could not be connected, or died before it was of use. The backend is down if it was the
  /// last one.
  void on_failure(Link& link, base::Instant now, base::Random& random);
  /// A request was not answered in time.
  void on_timeout() { ++counters.failures_in_a_row; }
  void on_ready();
  void on_answer() {
    if (counters.failures_in_a_row != 0) [[unlikely]]
      counters.failures_in_a_row = 0;
  }
  /// When the next attempt is due. kNever while the backend is not down.
  base::Instant retry_at() const { return down() ? retry_at_ : base::kNever; }

  template <class Visit>
  void for_each_link(Visit&& visit) {
    for (auto& set : flavors_) {
      for (auto& link : set.main) {
        if (link != nullptr) visit(*link);
      }
      for (auto& lendable : set.lendable) {
        for (auto& link : lendable.links) visit(*link);
      }
    }
    for (auto& link : retiring_) visit(*link);
    if (feed_ != nullptr) visit(*feed_);
  }
  /// A retiring link is closed. It goes once forget_closed() finds that no list has it any more.
  void forget_closed();

  bool knows_database(uint16_t database) const;
  void learn_database(uint16_t database);

  std::deque<base::SlabId>& side_waiters() { return side_waiters_; }
  std::deque<DeferredAsk>& deferred() { return deferred_; }
  std::vector<base::SlabId>& queue_waiters() { return queue_waiters_; }
  /// Who waits until fewer pinned links are being opened.
  std::deque<base::SlabId>& pin_waiters() { return pin_waiters_; }
  uint32_t pinned_opening() const { return pinned_opening_; }
  void on_pinned_opening() { ++pinned_opening_; }
  void on_pinned_opened() { --pinned_opening_; }

  BackendCounters counters;
  std::string server_version;  ///< learned in a handshake; empty: not yet
  std::string last_refusal;    ///< why the last handshake was refused

 private:
  struct Lendable {
    std::vector<std::unique_ptr<Link>> links;
    std::vector<Link*> free;
  };
  struct FlavorLinks {
    std::vector<std::unique_ptr<Link>> main;
    std::array<Lendable, 2> lendable;  // side, pinned

    Lendable& of(LinkKind kind) { return lendable[kind == LinkKind::kSide ? 0 : 1]; }
    const Lendable& of(LinkKind kind) const { return lendable[kind == LinkKind::kSide ? 0 : 1]; }
  };
  // Bits of obstacles_: one look tells that there is none.
  static constexpr uint8_t kDown = 1;
  static constexpr uint8_t kEjected = 2;
  static constexpr uint8_t kRemoved = 4;
  static constexpr uint8_t kRetiring = 8;
  void set(uint8_t obstacles, bool on) {
    obstacles_ = static_cast<uint8_t>(on ? obstacles_ | obstacles : obstacles_ & ~obstacles);
  }
  uint32_t place_of(uint32_t place) const {
    return rules_.connections == 1 ? 0 : place % rules_.connections;
  }
  uint32_t most(LinkKind kind) const {
    return kind == LinkKind::kSide ? rules_.side_connections : rules_.pinned_connections;
  }
  FlavorLinks& links_of(Flavor flavor) { return flavors_[static_cast<size_t>(flavor) & 1]; }
  const FlavorLinks& links_of(Flavor flavor) const {
    return flavors_[static_cast<size_t>(flavor) & 1];
  }

  const uint32_t number_;
  const uint32_t pool_;
  const std::string label_;
  UpstreamRules rules_;

  std::array<FlavorLinks, 2> flavors_;
  std::vector<std::unique_ptr<Link>> retiring_;
  std::unique_ptr<Link> feed_;

  uint8_t obstacles_ = 0;
  base::Duration backoff_;
  base::Instant retry_at_{};

  std::vector<uint16_t> databases_;  // proven to exist; 0 always does
  std::deque<base::SlabId> side_waiters_;
  std::deque<DeferredAsk> deferred_;
  std::vector<base::SlabId> queue_waiters_;
  std::deque<base::SlabId> pin_waiters_;
  uint32_t pinned_opening_ = 0;
};

}  // namespace quorate::link
