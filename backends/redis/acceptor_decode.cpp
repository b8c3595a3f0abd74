// Replies as answers. Nothing in the bytes is trusted but who sent them: what is not an answer to
// the question is kBroken, which the coordinator treats as a lost connection.
#include <array>
#include <utility>

#include "backends/redis/acceptor.h"
#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"
#include "consensus/base/text.h"

namespace quorate::redis::acceptor {
namespace {

using wire::RespCursor;
using wire::RespElement;
using Question = Expected::Question;

constexpr std::array<std::pair<std::string_view, Nack>, 9> kNacks = {{
    {"OOM", Nack::kOutOfMemory},
    {"MISCONF", Nack::kMisconf},
    {"READONLY", Nack::kReadOnly},
    {"NOREPLICAS", Nack::kNoReplicas},
    {"LOADING", Nack::kLoading},
    {"BUSY", Nack::kBusy},
    {"NOSCRIPT", Nack::kNoScript},
    {"NOPERM", Nack::kNoPermission},
    {"NOAUTH", Nack::kNoPermission},
}};

Nack nack_of(std::string_view error) {
  const std::string_view code = error.substr(0, error.find(' '));
  for (const auto& [word, nack] : kNacks) {
    if (code == word) return nack;
  }
  return Nack::kNone;
}

bool is_type(char letter) {
  return std::string_view("-slezhx").find(letter) != std::string_view::npos;
}

Answer broken() { return {}; }

Answer nacked(Nack nack, std::string_view error) {
  Answer answer;
  answer.kind = AnswerKind::kNack;
  answer.nack = nack;
  answer.reply = error;
  return answer;
}

/// An error of the server itself. One that is not known might mean anything.
Answer refused(std::string_view error) {
  const Nack nack = nack_of(error);
  return nack == Nack::kNone ? broken() : nacked(nack, error);
}

/// A command's error: the same on every server, unless it says that this one cannot.
Answer failed(std::string_view error) {
  const Nack nack = nack_of(error);
  if (nack != Nack::kNone) return nacked(nack, error);
  Answer answer;
  answer.kind = AnswerKind::kError;
  answer.reply = error;
  return answer;
}

// ---- What scripts answer: an array that begins with a word.

class ScriptReply {
 public:
  explicit ScriptReply(std::string_view bytes) : cursor_(bytes) {}

  Answer read(Question question) {
    RespElement head;
    if (!cursor_.read(head)) return broken();
    if (head.is_error()) return refused(head.text);
    if (!head.is_array() || head.count < 1) return broken();
    left_ = head.count - 1;
    RespElement word;
    if (!cursor_.read(word) || !word.is_bulk()) return broken();
    Answer answer = tell(question, word.text);
    const bool rest = left_ != 0 || !cursor_.at_end();
    return broken_ || rest ? broken() : answer;
  }

 private:
  Answer tell(Question question, std::string_view word) {
    Answer answer;
    const auto is = [&answer](AnswerKind kind) {
      answer.kind = kind;
      return answer;
    };
    if (word == "OK") return ok(question, is(AnswerKind::kOk));
    if (word == "NOFENCE") return is(AnswerKind::kNoFence);
    if (word == "DUP") return duplicate(question, is(AnswerKind::kDuplicate));
    if (word == "STALE") {
      answer.floor = must(base::parse_term(text()));
      return is(AnswerKind::kStale);
    }
    if (word == "OLD" || word == "NEED" || word == "TORN") {
      answer.version = version();
      return is(word == "OLD"    ? AnswerKind::kOld
                : word == "NEED" ? AnswerKind::kNeedState
                                 : AnswerKind::kTorn);
    }
    if (word == "OLDSEQ") {
      answer.high_water = must(base::parse_integer<uint64_t>(text()));
      return is(AnswerKind::kOldSequence);
    }
    if (word == "ERR") return failed(text());
    if (word == "FOREIGN") {
      answer.reply = text();
      return is(AnswerKind::kForeign);
    }
    broken_ = true;
    return answer;
  }

  Answer ok(Question question, Answer answer) {
    switch (question) {
      case Question::kInstall: return installed(answer);
      case Question::kDelta:
        answer.meta = meta();
        if (left_ > 0) answer.reply = whole();
        return answer;
      case Question::kDumpAt: return dumped(answer);
      case Question::kScan: return scanned(answer);
      default: return answer;
    }
  }
  Answer duplicate(Question question, Answer answer) {
    if (question == Question::kInstall) return installed(answer);
    if (question != Question::kAdmit) answer.meta = meta();
    return answer;
  }
  Answer installed(Answer answer) {
    answer.high_water = must(base::parse_integer<uint64_t>(text()));
    answer.gc_floor = version();
    return answer;
  }
  Answer dumped(Answer answer) {
    const std::string_view form = text();
    answer.meta = meta();
    if (form == "D") return answer;
    answer.form = form == "S" ? Form::kString : Form::kDump;
    answer.state = text();
    return answer;
  }
  Answer scanned(Answer answer) {
    answer.cursor = text();
    answer.reply = cursor_.rest();
    broken_ = broken_ || left_ % 2 != 0;
    while (left_ > 0 && !broken_) {
      text();
      meta();
    }
    return answer;
  }

  std::string_view text() {
    RespElement element;
    if (left_ <= 0 || !cursor_.read(element) || !element.is_bulk()) {
      broken_ = true;
      return {};
    }
    --left_;
    return element.text;
  }
  std::string_view whole() {
    --left_;
    const std::string_view bytes = cursor_.skip();
    broken_ = broken_ || bytes.empty();
    return bytes;
  }
  Version version() { return must(base::parse_version(text())); }
  Meta meta() { return must(parse_meta(text())); }
  template <class Value>
  Value must(const std::optional<Value>& value) {
    broken_ = broken_ || !value;
    return value.value_or(Value{});
  }

  RespCursor cursor_;
  int64_t left_ = 0;
  bool broken_ = false;
};

// ---- What plain reads answer.

class ReadReply {
 public:
  ReadReply(const Expected& expected, std::string_view bytes)
      : expected_(expected), cursor_(bytes) {}

  Answer read() {
    Answer answer;
    answer.kind = AnswerKind::kOk;
    switch (expected_.question) {
      case Question::kReadMeta: read_meta(answer); break;
      case Question::kReadString: read_string(answer); break;
      default: read_command(answer); break;
    }
    if (outcome_) return *outcome_;
    read_fence(answer);
    if (!outcome_ && !cursor_.at_end()) return broken();
    return outcome_ ? *outcome_ : answer;
  }

 private:
  void read_meta(Answer& answer) { take_meta(next(), answer); }

  void read_string(Answer& answer) {
    if (next().count != 2) return end(broken());
    take_meta(next(), answer);
    const std::string_view from = cursor_.rest();
    const RespElement value = next();
    answer.reply = from.substr(0, from.size() - cursor_.rest().size());
    // Of another type than a string, the value is nil.
    const bool expects = answer.meta.type == Type::kString;
    const bool allows = expects && !value.is_nil();
    if (allows != !value.is_nil() || expects != allows) torn_ = true;
  }

  void read_command(Answer& answer) {
    const RespElement high_water = next();
    if (high_water.is_error()) return end(refused(high_water.text));
    high_water_ = high_water.text;
    const RespElement meta = next();
    take_meta(meta, answer);
    const RespElement exists = next();
    if (exists.is_error()) return end(refused(exists.text));
    answer.reply = cursor_.skip();
    if (answer.reply.empty()) return end(broken());
    if (answer.reply[0] == '-') {
      const Nack nack = nack_of(answer.reply.substr(1));
      if (nack != Nack::kNone) return end(nacked(nack, line(answer.reply)));
    }
    const RespElement again = next();
    // A register that was written has another version, and a blank one raises the high water.
    torn_ = again.type != meta.type || again.text != meta.text ||
            (exists.text == "1") != answer.meta.present();
    compares_high_water_ = answer.blank;
  }
  static std::string_view line(std::string_view error) { return error.substr(1, error.size() - 3); }

  void read_fence(Answer& answer) {
    const RespElement head = next();
    if (outcome_) return;
    if (head.is_error()) return end(refused(head.text));
    if (!head.is_array() || head.count != 4) return end(broken());
    const RespElement incarnation = next();
    const RespElement term = next();
    const RespElement floor = next();
    const RespElement high_water = next();
    if (outcome_) return;
    if (compares_high_water_ && high_water.text != high_water_) torn_ = true;
    const auto holds = parse_nonce(incarnation.text);
    if (incarnation.is_nil() || !holds || *holds != expected_.incarnation || !*holds) {
      return end(of(AnswerKind::kNoFence));
    }
    if (!term.is_nil()) take(base::parse_term(term.text), answer.floor);
    if (!floor.is_nil()) take(base::parse_version(floor.text), answer.gc_floor);
    if (outcome_) return;
    const bool exact = expected_.term != Term{};
    if (exact ? answer.floor != expected_.term
              : answer.floor.configuration() != expected_.configuration) {
      Answer other = of(exact ? AnswerKind::kStale : AnswerKind::kOtherConfiguration);
      other.floor = answer.floor;
      return end(other);
    }
    if (torn_) {
      Answer torn = of(AnswerKind::kTorn);
      torn.version = answer.meta.version;
      end(torn);
    }
  }

  static Answer of(AnswerKind kind) {
    Answer answer;
    answer.kind = kind;
    return answer;
  }
  /// The first outcome stands.
  void end(const Answer& answer) {
    if (!outcome_) outcome_ = answer;
  }
  RespElement next() {
    RespElement element;
    if (!cursor_.read(element)) end(broken());
    return element;
  }
  void take_meta(const RespElement& element, Answer& answer) {
    if (outcome_) return;
    if (element.is_error()) return end(refused(element.text));
    answer.blank = element.is_nil();
    if (!answer.blank) take(parse_meta(element.text), answer.meta);
  }
  template <class Value>
  void take(const std::optional<Value>& from, Value& to) {
    if (!from) return end(broken());
    to = *from;
  }

  const Expected& expected_;
  RespCursor cursor_;
  std::optional<Answer> outcome_;
  std::string_view high_water_;
  bool compares_high_water_ = false;
  bool torn_ = false;
};

bool is_read(Question question) {
  return question == Question::kReadMeta || question == Question::kReadString ||
         question == Question::kReadCommand;
}

}  // namespace

Answer decode(const Expected& expected, std::string_view replies) {
  if (is_read(expected.question)) return ReadReply(expected, replies).read();
  return ScriptReply(replies).read(expected.question);
}

std::optional<Meta> parse_meta(std::string_view text) {
  if (text.empty() || text[0] != 'a') return std::nullopt;
  text.remove_prefix(1);
  const size_t type = text.find('|');
  if (type == std::string_view::npos || text.size() < type + 4 || text[type + 2] != '|') {
    return std::nullopt;
  }
  const size_t reply = text.find('|', type + 3);
  if (reply == std::string_view::npos || !is_type(text[type + 1])) return std::nullopt;
  const auto version = base::parse_version(text.substr(0, type));
  const auto expires = base::parse_integer<int64_t>(text.substr(type + 3, reply - type - 3));
  if (!version || !expires || *expires < 0) return std::nullopt;
  return Meta{.version = *version,
              .type = Type{text[type + 1]},
              .expires_at_ms = *expires,
              .reply = text.substr(reply + 1)};
}

void expand_reply(std::string_view recorded, std::string& out) {
  ASSERT(!recorded.empty());
  const char type = recorded[0];
  if (type == '$') return wire::append_bulk(out, recorded.substr(1));
  out.append(recorded).append("\r\n");
}

bool ScannedKeys::next(std::string_view& key, Meta& meta) {
  RespCursor cursor(rest_);
  RespElement element;
  if (!cursor.read(element)) return false;
  key = element.text;
  if (!cursor.read(element)) return false;
  const auto parsed = parse_meta(element.text);
  if (!parsed) return false;
  meta = *parsed;
  rest_ = cursor.rest();
  return true;
}

std::optional<cluster::Nonce> parse_nonce(std::string_view text) {
  if (text.empty()) return cluster::Nonce{};
  if (text.size() != 32) return std::nullopt;
  cluster::Nonce nonce;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    uint64_t& half = i < 16 ? nonce.high : nonce.low;
    half = half << 4 | digit;
  }
  return nonce;
}

}  // namespace quorate::redis::acceptor
