#include "tests/simulation/replicate/history.h"

#include <algorithm>
#include <unordered_map>

#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"

namespace quorate::replicate_simulation {
namespace {

/// What a key holds: nothing, a string or a list.
struct Value {
  char type = '-';
  bool expires = false;
  std::vector<std::string> parts;

  bool operator==(const Value&) const = default;
  std::string text() const {
    std::string out(1, type);
    out += expires ? '!' : '.';
    for (const std::string& part : parts) out += part + ",";
    return out;
  }
};

constexpr const char* kWrongType = "-WRONGTYPE";

/// What Redis replies; changes `value`.
std::string apply(const Event& event, Value& value) {
  std::string reply;
  const bool is_string = value.type == 's';
  const bool is_list = value.type == 'l';
  const bool absent = value.type == '-';
  switch (event.verb) {
    case Verb::kGet:
      if (is_list) return kWrongType;
      if (absent) return "_\r\n";
      wire::append_bulk(reply, value.parts[0]);
      return reply;
    case Verb::kSet:
    case Verb::kSetExpiring:
      value = {'s', event.verb == Verb::kSetExpiring, {event.text}};
      return "+OK\r\n";
    case Verb::kSetIfAbsent:
      if (!absent) return "_\r\n";
      value = {'s', false, {event.text}};
      return "+OK\r\n";
    case Verb::kAppend:
      if (is_list) return kWrongType;
      if (absent) value = {'s', false, {""}};
      value.parts[0] += event.text;
      wire::append_integer(reply, static_cast<int64_t>(value.parts[0].size()));
      return reply;
    case Verb::kDelete: value = {}; return absent ? ":0\r\n" : ":1\r\n";
    case Verb::kPush:
      if (is_string) return kWrongType;
      value.type = 'l';
      value.parts.push_back(event.text);
      wire::append_integer(reply, static_cast<int64_t>(value.parts.size()));
      return reply;
    case Verb::kPop:
      if (is_string) return kWrongType;
      if (absent) return "_\r\n";
      wire::append_bulk(reply, value.parts.front());
      value.parts.erase(value.parts.begin());
      if (value.parts.empty()) value = {};
      return reply;
    case Verb::kRange:
      if (is_string) return kWrongType;
      wire::append_array(reply, value.parts.size());
      for (const std::string& part : value.parts) wire::append_bulk(reply, part);
      return reply;
  }
  return reply;
}

/// Depth first. What has been tried is remembered by the acknowledged operations that are placed,
/// by what the key holds, and by the unknown ones that were used up: fewer of these are never
/// worse. An acknowledged operation that fits and changes nothing is placed at once, as it can only
/// be in the way later.
class Search {
 public:
  explicit Search(const std::vector<Event>& events) : events_(events), sent_before_(events.size()) {
    ASSERT(events.size() <= 64);
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].known == Known::kFailed) continue;
      const bool is_acknowledged = events[i].known == Known::kSucceeded;
      (is_acknowledged ? acknowledged_ : unknown_).push_back(i);
      if (!is_acknowledged) continue;
      must_ |= bit(i);
      for (size_t later = i + 1; later < events.size(); ++later) {
        if (events[later].client == events[i].client) sent_before_[later] |= bit(i);
      }
    }
    std::ranges::stable_sort(acknowledged_, {}, [&](size_t i) { return events[i].ended; });
  }

  bool found(uint64_t done, const Value& value) {
    place_what_changes_nothing(done, value);
    if ((done & must_) == must_) return true;
    if (was_tried(done, value)) return false;
    for (const std::vector<size_t>* list : {&acknowledged_, &unknown_}) {
      for (const size_t i : *list) {
        Value next = value;
        if (!can_be_next(done, i) || !fits(i, next)) continue;
        if (found(done | bit(i), next)) return true;
      }
    }
    return value.expires && found(done, Value{});
  }

 private:
  static uint64_t bit(size_t index) { return uint64_t{1} << index; }

  /// Nothing may come before what ended before it began, or what its client had sent before.
  bool can_be_next(uint64_t done, size_t index) const {
    if ((done & bit(index)) != 0 || (sent_before_[index] & ~done) != 0) return false;
    for (const size_t i : acknowledged_) {
      if ((done & bit(i)) == 0) return events_[index].began <= events_[i].ended;
    }
    return true;
  }
  /// Whether the reply is what `value` makes of it; changes `value`.
  bool fits(size_t index, Value& value) const {
    const Event& event = events_[index];
    const std::string reply = apply(event, value);
    if (event.known != Known::kSucceeded) return true;
    // An error of the command is told by its code.
    return reply == kWrongType ? event.reply.starts_with(reply) : event.reply == reply;
  }
  void place_what_changes_nothing(uint64_t& done, const Value& value) const {
    for (bool again = true; again;) {
      again = false;
      for (const size_t i : acknowledged_) {
        Value next = value;
        if (!can_be_next(done, i) || !fits(i, next) || !(next == value)) continue;
        done |= bit(i);
        again = true;
      }
    }
  }
  bool was_tried(uint64_t done, const Value& value) {
    std::vector<uint64_t>& used = tried_[std::to_string(done & must_) + value.text()];
    const uint64_t mine = done & ~must_;
    if (std::ranges::any_of(used, [&](uint64_t less) { return (less & ~mine) == 0; })) return true;
    used.push_back(mine);
    return false;
  }

  const std::vector<Event>& events_;
  std::vector<uint64_t> sent_before_;  // of each event: acknowledged ones, by its client
  std::vector<size_t> acknowledged_;   // in the order of their ends
  std::vector<size_t> unknown_;
  uint64_t must_ = 0;
  std::unordered_map<std::string, std::vector<uint64_t>> tried_;
};

}  // namespace

std::optional<std::string> History::read_after_its_time(base::Duration skew) const {
  for (const Event& read : events_) {
    if (read.verb != Verb::kGet || read.known != Known::kSucceeded) continue;
    for (const Event& write : events_) {
      if (write.verb != Verb::kSetExpiring || read.began <= write.expires_at + skew) continue;
      const size_t at = read.reply.find("\n" + write.text);
      if (at == std::string::npos) continue;
      const char next = read.reply[at + 1 + write.text.size()];  // more digits: another value
      if (next >= '0' && next <= '9') continue;
      return write.text + " was read after its time";
    }
  }
  return std::nullopt;
}

std::optional<std::string> History::violation() const {
  if (Search(events_).found(0, Value{})) return std::nullopt;
  std::string text = "not linearizable:";
  constexpr const char* kVerbs[] = {"get",    "set",  "setpx", "setnx", "append",
                                    "delete", "push", "pop",   "range"};
  constexpr const char* kKnown[] = {"open", "ok", "failed", "unknown"};
  for (const Event& event : events_) {
    std::string reply = event.reply;
    for (char& c : reply) c = c == '\r' || c == '\n' ? ' ' : c;
    text += "\n  client " + std::to_string(event.client) + " " +
            std::to_string(event.began.time_since_epoch().count() / 1000) + ".." +
            (event.known == Known::kSucceeded
                 ? std::to_string(event.ended.time_since_epoch().count() / 1000)
                 : "") +
            " us " + kVerbs[static_cast<int>(event.verb)] + " " + event.text + " " +
            kKnown[static_cast<int>(event.known)] + " " + reply;
  }
  return text;
}

}  // namespace quorate::replicate_simulation
