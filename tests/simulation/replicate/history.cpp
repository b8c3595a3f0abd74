#include "tests/simulation/replicate/history.h"

#include <unordered_set>

#include "backends/wire/resp_write.h"

namespace quorate::replicate_simulation {
namespace {

/// What a key holds: nothing, a string or a list.
struct Value {
  char type = '-';
  bool expires = false;
  std::vector<std::string> parts;

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

class Search {
 public:
  explicit Search(const std::vector<Event>& events) : events_(events) {
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].known == Known::kSucceeded) must_ |= uint64_t{1} << i;
    }
  }

  bool found(uint64_t done, const Value& value) {
    if ((done & must_) == must_) return true;
    if (!tried_.insert(std::to_string(done) + value.text()).second) return false;
    // Nothing may come before what ended before it began.
    base::Instant first_end = base::kNever;
    for (size_t i = 0; i < events_.size(); ++i) {
      const bool waits = (done >> i & 1) == 0 && events_[i].known == Known::kSucceeded;
      if (waits) first_end = std::min(first_end, events_[i].ended);
    }
    for (size_t i = 0; i < events_.size(); ++i) {
      const Event& event = events_[i];
      if ((done >> i & 1) != 0 || event.known == Known::kFailed) continue;
      if (event.began > first_end || sent_later(done, i)) continue;
      Value next = value;
      const std::string reply = apply(event, next);
      if (event.known == Known::kSucceeded && !matches(event.reply, reply)) continue;
      if (found(done | uint64_t{1} << i, next)) return true;
    }
    return value.expires && found(done, Value{});
  }

 private:
  /// An error of the command is told by its code.
  static bool matches(const std::string& seen, const std::string& expected) {
    return expected == kWrongType ? seen.starts_with(expected) : seen == expected;
  }
  /// Whether its client had sent something before that is still to be placed.
  bool sent_later(uint64_t done, size_t index) const {
    for (size_t i = 0; i < index; ++i) {
      const Event& event = events_[i];
      if ((done >> i & 1) == 0 && event.client == events_[index].client &&
          event.known == Known::kSucceeded) {
        return true;
      }
    }
    return false;
  }

  const std::vector<Event>& events_;
  uint64_t must_ = 0;
  std::unordered_set<std::string> tried_;
};

}  // namespace

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
