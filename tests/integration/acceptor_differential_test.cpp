// The acceptor's scripts on a real redis-server against AcceptorModel: the same random questions to
// both, the answers equal in every field. What the simulator believes of backends rests on this.
//
//   acceptor_differential_test [--operations n] [--seed s]
//
// Versions, bases, terms and floors are drawn from so few that every answer occurs; at the end it
// is counted which did, and one that never came is a failure.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis/acceptor.h"
#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/random.h"
#include "tests/integration/redis_commands/own_server.h"
#include "tests/simulation/replicate/acceptor_model.h"

namespace quorate::test {
namespace {

using namespace redis::acceptor;
using base::Random;
using base::Term;
using base::Version;

constexpr cluster::PoolSerial kPool{7};
constexpr cluster::Nonce kCluster{1, 2};
constexpr uint16_t kSlotsUsed = 3;
constexpr size_t kKeys = 9;
constexpr size_t kBatch = 40;
constexpr const char* kAnswers[] = {"OK",   "DUP",     "NOFENCE", "STALE", "CFG",
                                    "OLD",  "OLDSEQ",  "NEED",    "TORN",  "ERR",
                                    "NACK", "FOREIGN", "BROKEN"};

/// One question, with all it points to.
struct Asked {
  Request request;
  std::string key, arguments, payload, other_payload, recorded, cursor;
  bool unordered = false;  // a reply whose elements may come in any order
};

std::string described(const Request& request) {
  std::string text;
  encode(request, text);
  std::replace(text.begin(), text.end(), '\r', ' ');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string sorted(std::string_view reply) {
  std::vector<std::string> parts;
  wire::RespCursor cursor(reply);
  wire::RespElement element;
  while (cursor.read(element)) parts.push_back(element.type + std::string(element.text));
  std::ranges::sort(parts);
  std::string text;
  for (const std::string& part : parts) text += part + "\n";
  return text;
}

class Comparison {
 public:
  explicit Comparison(uint64_t seed) : random_(seed) {
    std::string loads;
    append_script_loads(loads);
    const std::string hello = server_.exchange("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", 1);
    require(hello[0] == '%', "HELLO 3");
    const std::string replies = server_.exchange(loads, kScripts);
    wire::RespCursor cursor(replies);
    for (size_t i = 0; i < kScripts; ++i) {
      require(is_loaded(static_cast<Script>(i), cursor.skip()), "SCRIPT LOAD gives our sha1");
    }
  }

  void run(uint64_t operations) {
    for (uint64_t done = 0; done < operations; done += kBatch) {
      if (random_.chance_ppm(300'000)) disturb();
      ask_batch();
    }
  }

  void report() {
    std::printf("%-9s", "");
    for (const char* answer : kAnswers) std::printf("%9s", answer);
    std::printf("\n");
    for (const auto& [script, counts] : seen_) {
      std::printf("%-9s", script.c_str());
      for (const uint64_t count : counts) std::printf("%9lu", count);
      std::printf("\n");
    }
  }

  /// Whether each answer that can be was given.
  bool all_seen() const {
    const std::map<std::string, std::vector<AnswerKind>> expected = {
        {"admit", {AnswerKind::kOk, AnswerKind::kDuplicate, AnswerKind::kForeign}},
        {"install",
         {AnswerKind::kOk, AnswerKind::kDuplicate, AnswerKind::kStale, AnswerKind::kNoFence,
          AnswerKind::kNack}},
        {"full",
         {AnswerKind::kOk, AnswerKind::kDuplicate, AnswerKind::kStale, AnswerKind::kNoFence,
          AnswerKind::kOld, AnswerKind::kOldSequence, AnswerKind::kNack}},
        {"delta",
         {AnswerKind::kOk, AnswerKind::kDuplicate, AnswerKind::kStale, AnswerKind::kNoFence,
          AnswerKind::kOld, AnswerKind::kOldSequence, AnswerKind::kNeedState, AnswerKind::kTorn,
          AnswerKind::kError, AnswerKind::kNack}},
        {"run",
         {AnswerKind::kOk, AnswerKind::kDuplicate, AnswerKind::kStale, AnswerKind::kOld,
          AnswerKind::kOldSequence, AnswerKind::kNeedState, AnswerKind::kTorn}},
        {"read",
         {AnswerKind::kOk, AnswerKind::kStale, AnswerKind::kNoFence,
          AnswerKind::kOtherConfiguration, AnswerKind::kTorn}},
        {"dumpat", {AnswerKind::kOk, AnswerKind::kNeedState, AnswerKind::kTorn}},
        {"floor", {AnswerKind::kOk, AnswerKind::kStale, AnswerKind::kNack}},
        {"forget", {AnswerKind::kOk, AnswerKind::kStale, AnswerKind::kNeedState}},
        {"purge", {AnswerKind::kOk, AnswerKind::kStale}},
        {"scan", {AnswerKind::kOk, AnswerKind::kNoFence}},
    };
    bool all = true;
    for (const auto& [script, answers] : expected) {
      for (const AnswerKind answer : answers) {
        const auto found = seen_.find(script);
        if (found != seen_.end() && found->second[static_cast<size_t>(answer)] > 0) continue;
        std::printf("never: %s answering %s\n", script.c_str(),
                    kAnswers[static_cast<size_t>(answer)]);
        all = false;
      }
    }
    return all;
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    std::printf("FAILED: %s\n", what.c_str());
    std::exit(1);
  }
  static void require(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }

  // ---- What happens to servers.

  void disturb() {
    switch (random_.below(40)) {
      case 0:
        server_.call({"FLUSHALL"});
        model_.flush();
        break;
      case 1:
      case 2:
      case 3:
      case 4: {
        const std::string key = some_key();
        server_.call({"DEL", key});
        model_.evict_data(key);
        break;
      }
      case 5:
      case 6: {
        const std::string key = some_key();
        server_.call({"DEL", std::string(kMetaPrefix) + key});
        model_.evict_meta(key);
        break;
      }
      case 7:
        server_.call({"CONFIG", "SET", "maxmemory", "1"});
        nack(Nack::kOutOfMemory);
        break;
      case 8:
        server_.call({"CONFIG", "SET", "min-replicas-to-write", "1"});
        nack(Nack::kNoReplicas);
        break;
      default: break;
    }
  }
  /// One batch under this nack, then as before.
  void nack(Nack nack) {
    model_.set_nack(nack);
    ask_batch();
    server_.call({"CONFIG", "SET", "maxmemory", "0"});
    server_.call({"CONFIG", "SET", "min-replicas-to-write", "0"});
    model_.set_nack(Nack::kNone);
  }

  // ---- Questions.

  void ask_batch() {
    std::vector<Asked> asked;
    asked.reserve(kBatch);
    std::string bytes;
    size_t replies = 0;
    // In a batch nobody has seen the answers yet; bases and versions are guessed from before.
    for (size_t i = 0; i < kBatch; ++i) {
      draw(asked.emplace_back());
      bind(asked.back());
      encode(asked.back().request, bytes);
      replies += expected_of(asked.back().request).replies;
    }
    const std::string received = server_.exchange(bytes, replies);
    wire::RespCursor cursor(received);
    for (Asked& one : asked) {
      const Expected expected = expected_of(one.request);
      const std::string_view rest = cursor.rest();
      for (int i = 0; i < expected.replies; ++i) cursor.skip();
      const std::string_view own = rest.substr(0, rest.size() - cursor.rest().size());
      const Answer real = decode(expected, own);
      if (auto* full = std::get_if<Full>(&one.request.what)) full->payload = one.other_payload;
      const Answer modelled = model_.handle(one.request);
      compare(one, real, modelled, own);
    }
  }

  std::string some_key() { return "k" + std::to_string(random_.below(kKeys)); }
  Term some_term() {
    return Term::of(1 + static_cast<uint32_t>(random_.below(2)),
                    static_cast<uint16_t>(random_.below(3)),
                    1 + static_cast<uint32_t>(random_.below(2)));
  }
  /// Mostly what is installed.
  Term likely_term(uint16_t slot) {
    const Term installed = model_.floor_of(slot);
    return random_.chance_ppm(900'000) && installed != Term{} ? installed : some_term();
  }
  Version likely_base(const std::string& key) {
    const auto found = model_.metas().find(key);
    if (random_.chance_ppm(150'000)) return {some_term(), random_.below(50)};
    return found == model_.metas().end() ? Version{} : found->second.meta.version;
  }
  Version next_version(uint16_t slot) {
    const Term term = likely_term(slot);
    if (random_.chance_ppm(250'000)) return {term, 1 + random_.below(counter_)};
    if (random_.chance_ppm(100'000)) return {term, counter_};
    return {term, ++counter_};
  }

  void add(Asked& asked, std::vector<std::string_view> args) {
    for (const std::string_view arg : args) wire::append_bulk(asked.arguments, arg);
    count_ += static_cast<uint32_t>(args.size());
  }
  void draw_write(Asked& asked) {
    const std::string value =
        random_.chance_ppm(50'000) ? std::string(200, 'x') : std::to_string(random_.below(100));
    const std::string_view key = asked.key;
    reply_from_ = ReplyFrom::kCommand;
    switch (random_.below(15)) {
      case 0: return add(asked, {"SET", key, value});
      case 1: return add(asked, {"APPEND", key, value});
      case 2: reply_from_ = ReplyFrom::kValue; return add(asked, {"INCR", key});
      case 3:
        reply_from_ = ReplyFrom::kValue;
        return add(asked, {"INCRBY", key, "9007199254740993"});
      case 4: return add(asked, {"GETDEL", key});
      case 5: return add(asked, {"RPUSH", key, value, "two"});
      case 6: return add(asked, {"LPUSH", key, value});
      case 7: return add(asked, {"LPOP", key});
      case 8: return add(asked, {"RPOP", key});
      case 9: return add(asked, {"HSET", key, "f", value});
      case 10:
        reply_from_ = ReplyFrom::kField;
        return add(asked, {"HINCRBY", key, "n", "9007199254740993"});
      case 11: return add(asked, {"HDEL", key, "f"});
      case 12: return add(asked, {"SADD", key, value});
      case 13: return add(asked, {"SREM", key, value});
      default: return add(asked, {"DEL", key});
    }
  }
  void draw_read(Asked& asked) {
    const std::string_view key = asked.key;
    switch (random_.below(9)) {
      case 0: return add(asked, {"GET", key});
      case 1: return add(asked, {"STRLEN", key});
      case 2: return add(asked, {"LLEN", key});
      case 3: return add(asked, {"LRANGE", key, "0", "-1"});
      case 4: return add(asked, {"HGET", key, "f"});
      case 5: asked.unordered = true; return add(asked, {"HGETALL", key});
      case 6: asked.unordered = true; return add(asked, {"SMEMBERS", key});
      case 7: return add(asked, {"SISMEMBER", key, "7"});
      default: return add(asked, {"SCARD", key});
    }
  }

  void draw(Asked& asked) {
    asked.key = some_key();
    Target& target = asked.request.target;
    target.pool = kPool;
    target.slot = static_cast<uint16_t>(random_.below(kSlotsUsed));
    // A key is of one slot, as in life.
    target.slot = static_cast<uint16_t>(asked.key[1] % kSlotsUsed);
    target.incarnation = model_.incarnation() ? model_.incarnation() : cluster::Nonce{9, 9};
    if (random_.chance_ppm(20'000)) target.incarnation = {3, random_.below(3)};
    count_ = 0;
    const uint64_t kind = random_.below(1000);
    if (kind < 8 || (!model_.incarnation() && kind < 100)) return draw_admit(asked);
    if (kind < 14) {
      asked.request.what = Install{.term = some_later_term(target.slot),
                                   .joined = 1 + static_cast<uint32_t>(random_.below(2))};
    } else if (kind < 330) {
      draw_full(asked);
    } else if (kind < 600) {
      draw_delta(asked);
    } else if (kind < 680) {
      draw_transaction(asked);
    } else if (kind < 800) {
      draw_reading(asked);
    } else if (kind < 870) {
      asked.request.what = DumpAt{likely_base(asked.key)};
    } else if (kind < 900) {
      asked.request.what = RaiseFloor{likely_term(target.slot),
                                      {likely_term(target.slot), random_.below(counter_ + 3)}};
    } else if (kind < 980) {
      asked.request.what = Forget{likely_term(target.slot)};
    } else if (kind < 985) {
      if (random_.chance_ppm(300'000)) asked.key.clear();
      asked.request.what = Purge{likely_term(target.slot)};
    } else {
      asked.request.what = Scan{.cursor = "0", .count = 1000};
      asked.unordered = true;
    }
  }
  Term some_later_term(uint16_t slot) {
    const Term installed = model_.floor_of(slot);
    if (random_.chance_ppm(400'000)) return some_term();
    if (random_.chance_ppm(200'000)) return installed;
    if (installed.bump() > 60'000) return some_term();
    return Term::of(std::max(installed.configuration(), 1u) + (random_.chance_ppm(30'000) ? 1 : 0),
                    static_cast<uint16_t>(installed.bump() + 1),
                    1 + static_cast<uint32_t>(random_.below(2)));
  }
  void draw_admit(Asked& asked) {
    const cluster::Nonce held = model_.incarnation();
    Admit admit{.cluster = kCluster, .expected = held, .next = {5, 1 + random_.below(1000)}};
    if (random_.chance_ppm(200'000)) admit.cluster = {8, 8};
    if (random_.chance_ppm(200'000)) admit.expected = {8, 8};
    if (random_.chance_ppm(200'000)) admit.next = held ? held : admit.next;
    if (held && random_.chance_ppm(700'000)) admit.expected = {8, 9};  // rarely start anew
    asked.request.what = admit;
  }
  void draw_full(Asked& asked) {
    Full full{.version = next_version(asked.request.target.slot)};
    asked.recorded = random_.chance_ppm(500'000) ? "+OK" : "";
    const uint64_t form = random_.below(3);
    if (form == 1 || (form == 2 && dumps_.empty())) {
      full.form = Form::kString;
      full.type = Type::kString;
      asked.payload = asked.other_payload = std::to_string(random_.below(1000));
    } else if (form == 2) {
      const Dump& dump = dumps_[random_.below(dumps_.size())];
      full.form = Form::kDump;
      full.type = dump.type;
      asked.payload = dump.real;
      asked.other_payload = dump.modelled;
    }
    if (full.form != Form::kDeleted && random_.chance_ppm(300'000)) {
      full.expires_at_ms = 1'900'000'000'000 + random_.between(0, 9);
    }
    asked.request.what = full;
  }
  void draw_delta(Asked& asked) {
    Delta delta{.version = next_version(asked.request.target.slot), .base = likely_base(asked.key)};
    if (random_.chance_ppm(300'000)) delta.expires_at_ms = 1'900'000'000'123;
    if (random_.chance_ppm(100'000)) {
      delta.body = Body::kNothing;
    } else {
      draw_write(asked);
      delta.reply = reply_from_;
    }
    asked.request.what = delta;
  }
  void draw_transaction(Asked& asked) {
    Delta delta{.version = next_version(asked.request.target.slot),
                .base = likely_base(asked.key),
                .body = Body::kTransaction};
    if (random_.chance_ppm(300'000)) delta.expires_at_ms = 1'900'000'000'123;
    for (uint64_t i = 0, count = 1 + random_.below(4); i < count; ++i) {
      Asked one;
      one.key = asked.key;
      const uint32_t before = count_;
      count_ = 0;
      draw_write(one);
      const std::string head = letter_of(reply_from_) + std::to_string(count_);
      wire::append_bulk(asked.arguments, head);
      asked.arguments += one.arguments;
      count_ += before + 1;
    }
    asked.request.what = delta;
  }
  void draw_reading(Asked& asked) {
    Read read{.form = static_cast<ReadForm>(random_.below(3)),
              .configuration = model_.floor_of(asked.request.target.slot).configuration()};
    if (random_.chance_ppm(100'000)) read.configuration += 1;
    if (random_.chance_ppm(300'000)) read.term = likely_term(asked.request.target.slot);
    if (read.form == ReadForm::kCommand) draw_read(asked);
    asked.request.what = read;
  }

  /// Lets the request view what it was drawn with.
  void bind(Asked& asked) {
    asked.request.target.key = asked.key;
    if (auto* full = std::get_if<Full>(&asked.request.what)) {
      full->payload = asked.payload;
      full->recorded = asked.recorded;
    } else if (auto* delta = std::get_if<Delta>(&asked.request.what)) {
      delta->arguments = asked.arguments;
      delta->argument_count = count_;
    } else if (auto* read = std::get_if<Read>(&asked.request.what)) {
      read->arguments = asked.arguments;
      read->argument_count = count_;
    }
  }

  // ---- Answers.

  static std::string name_of(const Request& request) {
    constexpr const char* kNames[] = {"admit",  "install", "full",   "delta", "read",
                                      "dumpat", "floor",   "forget", "purge", "scan"};
    const auto* delta = std::get_if<Delta>(&request.what);
    if (delta != nullptr && delta->body == Body::kTransaction) return "run";
    return kNames[request.what.index()];
  }

  void compare(const Asked& asked, const Answer& real, const Answer& modelled,
               std::string_view bytes) {
    auto& counts = seen_[name_of(asked.request)];
    counts.resize(std::size(kAnswers));
    ++counts[static_cast<size_t>(real.kind)];
    const auto check = [&](bool holds, const char* what) {
      if (holds) return;
      fail(std::string(what) + " differs: " + kAnswers[static_cast<size_t>(real.kind)] +
           ", model " + kAnswers[static_cast<size_t>(modelled.kind)] + "\n  asked " +
           described(asked.request) + "\n  received " + std::string(bytes) + "\n  model says " +
           std::string(modelled.reply));
    };
    check(real.kind != AnswerKind::kBroken, "it is broken:");
    check(real.kind == modelled.kind, "kind");
    check(real.nack == modelled.nack, "nack");
    check(real.blank == modelled.blank, "blank");
    check(real.form == modelled.form, "form");
    check(real.floor == modelled.floor, "floor");
    check(real.version == modelled.version, "version");
    check(real.gc_floor == modelled.gc_floor, "gc floor");
    check(real.high_water == modelled.high_water, "high water");
    check(real.meta.version == modelled.meta.version, "meta's version");
    check(real.meta.type == modelled.meta.type, "meta's type");
    check(real.meta.expires_at_ms == modelled.meta.expires_at_ms, "meta's expiry");
    check(real.meta.reply == modelled.meta.reply, "meta's reply");
    if (real.kind == AnswerKind::kNack || real.kind == AnswerKind::kForeign) return;
    if (asked.unordered) {
      check(sorted(real.reply) == sorted(modelled.reply), "reply (in any order)");
    } else {
      check(real.reply == modelled.reply, "reply");
    }
    if (std::holds_alternative<DumpAt>(asked.request.what)) {
      if (real.form == Form::kString) check(real.state == modelled.state, "state");
      if (real.form == Form::kDump) keep_dump(real, modelled);
    }
  }
  void keep_dump(const Answer& real, const Answer& modelled) {
    if (dumps_.size() >= 16) dumps_.erase(dumps_.begin());
    dumps_.push_back({std::string(real.state), std::string(modelled.state), modelled.meta.type});
  }

  struct Dump {
    std::string real, modelled;
    Type type;
  };

  Random random_;
  OwnServer server_;
  AcceptorModel model_;
  std::vector<Dump> dumps_;
  std::map<std::string, std::vector<uint64_t>> seen_;
  uint64_t counter_ = 10;
  uint32_t count_ = 0;  // of bulks in the arguments that are being drawn
  ReplyFrom reply_from_ = ReplyFrom::kCommand;
};

}  // namespace
}  // namespace quorate::test

int main(int argc, char** argv) {
  uint64_t operations = 1'000'000;
  uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--operations") == 0)
      operations = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  quorate::test::Comparison comparison(seed);
  comparison.run(operations);
  comparison.report();
  return comparison.all_seen() ? 0 : 1;
}
