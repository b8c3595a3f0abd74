#include "tests/simulation/replicate/history.h"

#include <algorithm>
#include <bit>
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
  uint64_t holds = 0;  ///< operations whose texts are in it; of texts that some reply shows

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
/// be in the way later. A text comes once, and keys grow at their ends only; so what a reply is to
/// show yet may not be gone, or come after something else. Texts that no reply shows are told apart
/// by their lengths only; of unknown operations that do the same and could both be next, one is
/// tried.
class Search {
 public:
  explicit Search(std::vector<Event> events)
      : events_(std::move(events)),
        sent_before_(events_.size()),
        shows_(events_.size()),
        texts_(events_.size()) {
    ASSERT(events_.size() <= 64);
    for (size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].known == Known::kFailed) continue;
      const bool is_acknowledged = events_[i].known == Known::kSucceeded;
      if (!is_acknowledged && is_read(events_[i])) continue;
      (is_acknowledged ? acknowledged_ : unknown_).push_back(i);
      if (!is_acknowledged) continue;
      must_ |= bit(i);
      for (size_t later = i + 1; later < events_.size(); ++later) {
        if (events_[later].client == events_[i].client) sent_before_[later] |= bit(i);
      }
    }
    std::ranges::stable_sort(acknowledged_, {}, [&](size_t i) { return events_[i].ended; });
    look_for_texts();
  }

  bool found(uint64_t done, const Value& value) {
    place_what_changes_nothing(done, value);
    if ((done & must_) == must_) return true;
    if (is_hopeless(done, value) || was_tried(done, value)) return false;
    for (const std::vector<size_t>* list : {&acknowledged_, &unknown_}) {
      for (const size_t i : *list) {
        if (!can_be_next(done, i) || (list == &unknown_ && has_stand_in(done, i))) continue;
        Value next = value;
        if (!fits(i, next) || (list == &unknown_ && next == value)) continue;
        if (found(done | bit(i), next)) return true;
      }
    }
    return value.expires && found(done, Value{});
  }

 private:
  static uint64_t bit(size_t index) { return uint64_t{1} << index; }
  static bool is_read(const Event& event) {
    return event.verb == Verb::kGet || event.verb == Verb::kRange;
  }
  /// Writes a text of its own.
  static bool is_writer(const Event& event) {
    return !is_read(event) && event.verb != Verb::kDelete && event.verb != Verb::kPop;
  }

  /// What each reply shows, "v" and a number for each text; other texts become all the same.
  void look_for_texts() {
    for (size_t i = 0; i < events_.size(); ++i) {
      if (is_writer(events_[i])) writers_.emplace(events_[i].text, bit(i));
    }
    uint64_t shown = 0;
    for (const size_t i : acknowledged_) {
      const std::string& reply = events_[i].reply;
      for (size_t at = reply.find('v'); at != std::string::npos; at = reply.find('v', at + 1)) {
        const size_t end = reply.find_first_not_of("0123456789", at + 1);
        texts_[i].push_back(reply.substr(at, end - at));
        shows_[i] |= writer_of(texts_[i].back());
      }
      shown |= shows_[i];
    }
    for (size_t i = 0; i < events_.size(); ++i) {
      if ((shown & bit(i)) != 0) continue;
      writers_.erase(events_[i].text);
      events_[i].text.assign(is_writer(events_[i]) ? events_[i].text.size() : 0, '~');
    }
  }
  uint64_t writer_of(const std::string& text) const {
    const auto found = writers_.find(text);
    return found == writers_.end() ? 0 : found->second;
  }

  /// Whether some reply can be explained no more.
  bool is_hopeless(uint64_t done, const Value& value) const {
    return std::ranges::any_of(acknowledged_, [&](size_t i) {
      const uint64_t shown = shows_[i] & done;
      if ((done & bit(i)) != 0 || shown == 0) return false;
      return (shown & ~value.holds) != 0 || !can_become(value, i, std::popcount(shown));
    });
  }
  /// Whether a value that holds the first `count` texts of a reply can grow to what it shows.
  bool can_become(const Value& value, size_t index, int count) const {
    const std::vector<std::string>& texts = texts_[index];
    if (events_[index].verb == Verb::kGet) {
      std::string all;
      for (const std::string& text : texts) all += text;
      return value.type == 's' && all.starts_with(value.parts[0]);
    }
    if (events_[index].verb != Verb::kRange) return true;
    return value.type == 'l' && std::ssize(value.parts) >= count &&
           std::equal(texts.begin(), texts.begin() + count, value.parts.end() - count);
  }
  /// An unknown one before it that does the same, and can be used here and now.
  bool has_stand_in(uint64_t done, size_t index) const {
    return std::ranges::any_of(unknown_, [&](size_t i) {
      return i < index && events_[i].verb == events_[index].verb &&
             events_[i].text == events_[index].text && can_be_next(done, i);
    });
  }
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
    const uint64_t first = value.type == 'l' ? writer_of(value.parts[0]) : 0;
    const std::string reply = apply(event, value);
    if (event.verb == Verb::kPop) value.holds &= ~first;
    const bool has_written = is_writer(event) && reply != kWrongType && reply[0] != '_';
    if (has_written) value.holds |= writer_of(event.text);
    if (event.known != Known::kSucceeded) return true;
    // An error of the command is told by its code.
    return reply == kWrongType ? event.reply.starts_with(reply) : event.reply == reply;
  }
  void place_what_changes_nothing(uint64_t& done, const Value& value) const {
    for (bool again = true; again;) {
      again = false;
      for (const size_t i : acknowledged_) {
        const Verb verb = events_[i].verb;  // a text that is there already may be needed later
        if (verb == Verb::kSet || verb == Verb::kSetExpiring || !can_be_next(done, i)) continue;
        Value next = value;
        if (!fits(i, next) || !(next == value)) continue;
        done |= bit(i);
        again = true;
      }
    }
  }
  bool was_tried(uint64_t done, const Value& value) {
    std::vector<uint64_t>& used = tried_[std::to_string(done & must_) + value.text()];
    const uint64_t mine = done & ~must_;
    if (std::ranges::any_of(used, [&](uint64_t less) { return (less & ~mine) == 0; })) return true;
    std::erase_if(used, [&](uint64_t more) { return (mine & ~more) == 0; });
    used.push_back(mine);
    return false;
  }

  std::vector<Event> events_;
  std::vector<uint64_t> sent_before_;            // of each event: acknowledged ones, by its client
  std::vector<uint64_t> shows_;                  // of each event: whose texts its reply shows
  std::vector<std::vector<std::string>> texts_;  // of each event: that its reply shows, in order
  std::vector<size_t> acknowledged_;             // in the order of their ends
  std::vector<size_t> unknown_;
  uint64_t must_ = 0;
  std::unordered_map<std::string, uint64_t> writers_;  // by text
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
