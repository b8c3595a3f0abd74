// The checker of the replicate simulation, against one that tries every order of a few operations.
#include "tests/simulation/replicate/history.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "consensus/base/random.h"

namespace quorate::replicate_simulation {
namespace {

base::Instant at(int64_t us) { return base::Instant(std::chrono::microseconds(us)); }

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

/// A string, a list or nothing, by what Redis' documentation says of each command.
struct Register {
  bool is_there = false;
  bool expires = false;
  std::string text;
  std::vector<std::string> list;

  std::string run(const Event& event) {
    const bool was_there = is_there;
    switch (event.verb) {
      case Verb::kGet: return is_there ? bulk(text) : "_\r\n";
      case Verb::kSet: *this = {true, false, event.text, {}}; return "+OK\r\n";
      case Verb::kSetExpiring: *this = {true, true, event.text, {}}; return "+OK\r\n";
      case Verb::kSetIfAbsent:
        if (was_there) return "_\r\n";
        *this = {true, false, event.text, {}};
        return "+OK\r\n";
      case Verb::kAppend:
        is_there = true;
        text += event.text;
        return ":" + std::to_string(text.size()) + "\r\n";
      case Verb::kPush:
        is_there = true;
        list.push_back(event.text);
        return ":" + std::to_string(list.size()) + "\r\n";
      case Verb::kPop: {
        if (!is_there) return "_\r\n";
        const std::string first = bulk(list.front());
        list.erase(list.begin());
        is_there = !list.empty();
        return first;
      }
      case Verb::kRange: {
        std::string all = "*" + std::to_string(list.size()) + "\r\n";
        for (const std::string& one : list) all += bulk(one);
        return all;
      }
      default: *this = {}; return was_there ? ":1\r\n" : ":0\r\n";
    }
  }
};

bool may_come_first(const std::vector<Event>& events, uint32_t done, size_t index) {
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& other = events[i];
    if ((done & 1u << i) != 0 || i == index || other.known != Known::kSucceeded) continue;
    if (other.ended < events[index].began) return false;
    if (i < index && other.client == events[index].client) return false;
  }
  return true;
}

bool some_order_fits(const std::vector<Event>& events, uint32_t done, const Register& value) {
  bool is_whole = true;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    if ((done & 1u << i) != 0 || event.known == Known::kFailed) continue;
    const bool is_acknowledged = event.known == Known::kSucceeded;
    is_whole &= !is_acknowledged;
    if (!may_come_first(events, done, i)) continue;
    Register next = value;
    const std::string reply = next.run(event);
    if (is_acknowledged && reply != event.reply) continue;
    if (some_order_fits(events, done | 1u << i, next)) return true;
  }
  return is_whole || (value.expires && some_order_fits(events, done, {}));
}

/// What some register has shown, and sometimes a reply of which that is not true.
std::vector<Event> draw(base::Random& random) {
  constexpr Verb kOfStrings[] = {Verb::kGet,         Verb::kGet,         Verb::kSet,
                                 Verb::kSetExpiring, Verb::kSetIfAbsent, Verb::kAppend,
                                 Verb::kDelete};
  constexpr Verb kOfLists[] = {Verb::kPush, Verb::kPush,  Verb::kPush,  Verb::kPop,
                               Verb::kPop,  Verb::kRange, Verb::kDelete};
  const auto& verbs = random.below(2) == 0 ? kOfStrings : kOfLists;
  std::vector<Event> events(2 + random.below(5));
  std::vector<std::pair<base::Instant, size_t>> order;
  for (size_t i = 0; i < events.size(); ++i) {
    Event& event = events[i];
    event.client = static_cast<uint32_t>(random.below(3));
    event.verb = verbs[random.below(std::size(verbs))];
    event.text = "v" + std::to_string(8 + i);
    const auto began = static_cast<int64_t>(i) * 10;
    const int64_t lasts = random.between(1, 40);
    event.began = at(began);
    event.ended = at(began + lasts);
    const uint64_t end = random.below(10);
    event.known = end < 7 ? Known::kSucceeded : end < 9 ? Known::kUnknown : Known::kFailed;
    const bool has_effect = event.known == Known::kSucceeded || random.below(2) == 0;
    if (has_effect) order.emplace_back(at(began + random.between(0, lasts)), i);
  }
  std::ranges::sort(order);
  Register value;
  for (const auto& [when, i] : order) events[i].reply = value.run(events[i]);
  const size_t one = random.below(events.size());
  const size_t other = random.below(events.size());
  if (random.below(2) == 0) std::swap(events[one].reply, events[other].reply);
  return events;
}

TEST_CASE("history: what no order of the operations explains is a violation, and nothing else") {
  base::Random random(7);
  int violations = 0;
  constexpr int kHistories = 20'000;
  for (int i = 0; i < kHistories; ++i) {
    const std::vector<Event> events = draw(random);
    History history;
    for (const Event& event : events) history.add(event);
    const bool fits = some_order_fits(events, 0, {});
    violations += fits ? 0 : 1;
    const auto found = history.violation();
    REQUIRE_MESSAGE(fits == !found, "history " << i << " " << found.value_or("is missed"));
  }
  CHECK(violations > kHistories / 10);
  CHECK(violations < kHistories * 9 / 10);
}

TEST_CASE("history: many operations with unknown ends do not make the search long") {
  // Of each of thirty writes nobody knows the end; then one value is seen, and another one.
  History history;
  const auto add = [&history](uint32_t client, Verb verb, int text, Known known, int64_t us,
                              const std::string& reply) {
    Event event;
    event.client = client;
    event.verb = verb;
    event.text = "v" + std::to_string(text);
    event.began = at(us);
    event.ended = at(us + 5);
    event.known = known;
    event.reply = reply;
    history.add(event);
  };
  for (int i = 0; i < 30; ++i) {
    add(1,
        i % 3 == 0   ? Verb::kSet
        : i % 3 == 1 ? Verb::kAppend
                     : Verb::kDelete,
        100 + i, Known::kUnknown, i * 10, "");
  }
  add(2, Verb::kGet, 200, Known::kSucceeded, 1000, "$4\r\nv103\r\n");
  add(2, Verb::kGet, 201, Known::kSucceeded, 1010, "$4\r\nv106\r\n");
  CHECK_FALSE(history.violation());
  add(2, Verb::kGet, 202, Known::kSucceeded, 1020, "$4\r\nv103\r\n");
  CHECK(history.violation());
}

}  // namespace
}  // namespace quorate::replicate_simulation
