#include "tests/simulation/replicate/acceptor_model.h"

#include <algorithm>
#include <utility>

#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"
#include "consensus/base/text.h"
#include "proxy/replicate/mutation.h"

namespace quorate::test {

using namespace redis::acceptor;
using base::Term;
using base::Version;

namespace {

constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

bool is(std::string_view word, std::string_view name) {
  return base::equal_ignoring_case(word, name);
}

std::vector<std::string_view> bulks(std::string_view bytes) {
  std::vector<std::string_view> parts;
  wire::RespCursor cursor(bytes);
  wire::RespElement element;
  while (cursor.read(element)) parts.push_back(element.text);
  ASSERT(cursor.at_end());
  return parts;
}

/// As a server reads numbers: only what it would write itself.
std::optional<int64_t> integer_in(std::string_view text) {
  const auto value = base::parse_integer<int64_t>(text);
  return value && std::to_string(*value) == text ? value : std::nullopt;
}

bool takes_no_memory(std::string_view command) {
  return is(command, "getdel") || is(command, "lpop") || is(command, "rpop") ||
         is(command, "hdel") || is(command, "srem") || is(command, "del");
}

Answer of(AnswerKind kind) {
  Answer answer;
  answer.kind = kind;
  return answer;
}

}  // namespace

/// Runs one command on one key, and says in RESP3 what a server would.
class AcceptorModel::Interpreter {
 public:
  using Args = std::span<const std::string_view>;

  Interpreter(std::map<std::string, Value>& data, Args args)
      : data_(data), args_(args), key_(args.size() > 1 ? args[1] : std::string_view()) {}

  /// The reply; if it is an error, nothing has changed.
  std::string run() {
    const std::string_view name = args_[0];
    bool known = true;
    if (is(name, "get") || is(name, "getdel") || is(name, "strlen") || is(name, "set") ||
        is(name, "append") || is(name, "incr") || is(name, "incrby")) {
      run_string(name);
    } else if (is(name, "rpush") || is(name, "lpush") || is(name, "lpop") || is(name, "rpop") ||
               is(name, "llen") || is(name, "lrange")) {
      run_list(name);
    } else if (is(name, "hset") || is(name, "hget") || is(name, "hdel") || is(name, "hlen") ||
               is(name, "hincrby") || is(name, "hgetall")) {
      run_hash(name);
    } else if (is(name, "sadd") || is(name, "srem") || is(name, "scard") || is(name, "sismember") ||
               is(name, "smembers")) {
      run_set(name);
    } else if (is(name, "del")) {
      integer(static_cast<int64_t>(data_.erase(key_)));
    } else {
      known = false;
    }
    ASSERT(known);
    return std::move(reply_);
  }

 private:
  void integer(int64_t value) { wire::append_integer(reply_, value); }
  void bulk(std::string_view text) { wire::append_bulk(reply_, text); }
  void nil() { wire::append_null(reply_, true); }
  void error(std::string_view text) { wire::append_error(reply_, text); }

  /// The value if it is of this type; nullptr and `reply_` empty: there is none.
  template <class Type>
  Type* find() {
    const auto found = data_.find(key_);
    if (found == data_.end()) return nullptr;
    Type* value = std::get_if<Type>(&found->second);
    if (value == nullptr) error(kWrongType);
    return value;
  }
  template <class Type>
  Type& make() {
    return std::get<Type>(data_.try_emplace(key_, Type()).first->second);
  }
  template <class Type>
  void drop_if_empty(const Type& value) {
    if (value.empty()) data_.erase(key_);
  }

  void run_string(std::string_view name) {
    if (is(name, "set")) {
      data_.insert_or_assign(key_, Value(std::string(args_[2])));
      return wire::append_simple(reply_, "OK");
    }
    std::string* value = find<std::string>();
    if (!reply_.empty()) return;
    if (is(name, "get")) return value == nullptr ? nil() : bulk(*value);
    if (is(name, "strlen")) return integer(value == nullptr ? 0 : std::ssize(*value));
    if (is(name, "getdel")) {
      if (value == nullptr) return nil();
      bulk(*value);
      data_.erase(key_);
      return;
    }
    if (is(name, "append")) {
      std::string& text = make<std::string>();
      text.append(args_[2]);
      return integer(std::ssize(text));
    }
    const auto before = integer_in(value == nullptr ? "0" : *value);
    if (!before) return error("ERR value is not an integer or out of range");
    const auto by = args_.size() > 2 ? base::parse_integer<int64_t>(args_[2]) : int64_t{1};
    int64_t sum = 0;
    if (!by) return error("ERR value is not an integer or out of range");
    if (__builtin_add_overflow(*before, *by, &sum)) {
      return error("ERR increment or decrement would overflow");
    }
    make<std::string>() = std::to_string(sum);
    integer(sum);
  }

  void run_list(std::string_view name) {
    List* list = find<List>();
    if (!reply_.empty()) return;
    if (is(name, "llen")) return integer(list == nullptr ? 0 : std::ssize(*list));
    if (is(name, "lrange")) {  // 0 -1
      wire::append_array(reply_, list == nullptr ? 0 : list->size());
      if (list != nullptr) std::ranges::for_each(*list, [this](const auto& text) { bulk(text); });
      return;
    }
    if (is(name, "lpop") || is(name, "rpop")) {
      if (list == nullptr) return nil();
      const bool left = is(name, "lpop");
      bulk(left ? list->front() : list->back());
      left ? list->pop_front() : list->pop_back();
      return drop_if_empty(*list);
    }
    List& grown = make<List>();
    for (const std::string_view text : args_.subspan(2)) {
      grown.emplace(is(name, "lpush") ? grown.begin() : grown.end(), text);
    }
    integer(std::ssize(grown));
  }

  void run_hash(std::string_view name) {
    Hash* hash = find<Hash>();
    if (!reply_.empty()) return;
    if (is(name, "hlen")) return integer(hash == nullptr ? 0 : std::ssize(*hash));
    if (is(name, "hgetall")) {
      wire::append_map(reply_, hash == nullptr ? 0 : hash->size(), true);
      if (hash == nullptr) return;
      for (const auto& [field, text] : *hash) {
        bulk(field);
        bulk(text);
      }
      return;
    }
    const std::string field(args_[2]);
    if (is(name, "hget")) {
      const bool there = hash != nullptr && hash->contains(field);
      return there ? bulk(hash->at(field)) : nil();
    }
    if (is(name, "hdel")) {
      integer(hash == nullptr ? 0 : static_cast<int64_t>(hash->erase(field)));
      if (hash != nullptr) drop_if_empty(*hash);
      return;
    }
    if (is(name, "hset")) {
      return integer(make<Hash>().insert_or_assign(field, std::string(args_[3])).second ? 1 : 0);
    }
    const bool there = hash != nullptr && hash->contains(field);
    const auto before = integer_in(there ? hash->at(field) : "0");
    if (!before) return error("ERR hash value is not an integer");
    const auto by = base::parse_integer<int64_t>(args_[3]);
    int64_t sum = 0;
    ASSERT(by);
    if (__builtin_add_overflow(*before, *by, &sum)) {
      return error("ERR increment or decrement would overflow");
    }
    make<Hash>()[field] = std::to_string(sum);
    integer(sum);
  }

  void run_set(std::string_view name) {
    Set* set = find<Set>();
    if (!reply_.empty()) return;
    if (is(name, "scard")) return integer(set == nullptr ? 0 : std::ssize(*set));
    if (is(name, "smembers")) {
      wire::append_header(reply_, '~', set == nullptr ? 0 : std::ssize(*set));
      if (set != nullptr) std::ranges::for_each(*set, [this](const auto& text) { bulk(text); });
      return;
    }
    const std::string member(args_[2]);
    if (is(name, "sismember")) return integer(set != nullptr && set->contains(member) ? 1 : 0);
    if (is(name, "sadd")) return integer(make<Set>().insert(member).second ? 1 : 0);
    integer(set == nullptr ? 0 : static_cast<int64_t>(set->erase(member)));
    if (set != nullptr) drop_if_empty(*set);
  }

  std::map<std::string, Value>& data_;
  Args args_;
  std::string key_;
  std::string reply_;
};

namespace {

/// What a script keeps of a reply, so that it can say it again.
std::string recorded_of(std::string_view resp) {
  wire::RespCursor cursor(resp);
  wire::RespElement element;
  const bool read = cursor.read(element);
  ASSERT(read);
  switch (element.type) {
    case '_': return "_";
    case ':': return ":" + std::string(element.text);
    case '+': return "+" + std::string(element.text);
    case '$':
      return element.text.size() <= kMaxRecordedReply ? "$" + std::string(element.text) : "";
    default: return "";
  }
}

}  // namespace

Answer AcceptorModel::handle(const Request& request) {
  const Target& target = request.target;
  if (std::holds_alternative<Admit>(request.what)) {
    return on(target, std::get<Admit>(request.what));
  }
  const bool known = mutated(replicate::Mutation::kNoIncarnationCheck) ||
                     (fenced_ && incarnation_ == target.incarnation && target.incarnation);
  if (!known) {
    return of(AnswerKind::kNoFence);
  }
  return std::visit([&](const auto& what) { return on(target, what); }, request.what);
}

Answer AcceptorModel::on(const Target&, const Admit& it) {
  const auto foreign = [](std::string_view why) {
    Answer answer = of(AnswerKind::kForeign);
    answer.reply = why;
    return answer;
  };
  if (fenced_) {
    if (cluster_ != it.cluster) return foreign("it belongs to another cluster");
    if (incarnation_ == it.next) return of(AnswerKind::kDuplicate);
    if (incarnation_ != it.expected) return foreign("it has another incarnation");
  } else if (it.expected) {
    return foreign("it has no fence");
  } else if (!data_.empty() || !metas_.empty()) {
    return foreign("its database is not empty");
  }
  if (nack_ != Nack::kNone && nack_ != Nack::kOutOfMemory) return refuse_writes(true);
  const Nack nack = nack_;
  flush();
  nack_ = nack;
  fenced_ = true;
  cluster_ = it.cluster;
  incarnation_ = it.next;
  return of(AnswerKind::kOk);
}

Answer AcceptorModel::on(const Target& target, const Install& it) {
  Slot& slot = slots_[target.slot];
  if (it.term < slot.floor) {
    Answer stale = of(AnswerKind::kStale);
    stale.floor = slot.floor;
    return stale;
  }
  const bool again = it.term == slot.floor;
  if (!again) {
    if (nack_ != Nack::kNone) return refuse_writes(false);
    if (slot.floor.configuration() < it.joined) slot.gc_floor = {};
  }
  Answer answer = of(again ? AnswerKind::kDuplicate : AnswerKind::kOk);
  answer.high_water = slot.high_water;
  answer.gc_floor = slot.gc_floor;
  if (!again) {
    slot.floor = it.term;
    slot.high_water = 0;
  }
  return answer;
}

Answer AcceptorModel::may_write(const Target& target, const Version& version) {
  const Slot& slot = slots_[target.slot];
  Answer answer = of(AnswerKind::kOk);
  if (slot.floor != version.term && !mutated(replicate::Mutation::kNoFloorCheck)) {
    answer.kind = AnswerKind::kStale;
    answer.floor = slot.floor;
    return answer;
  }
  const auto found = metas_.find(std::string(target.key));
  if (found == metas_.end()) {
    if (mutated(replicate::Mutation::kNoHighWater)) return answer;
    if (version.counter <= slot.high_water) {
      answer.kind = AnswerKind::kOldSequence;
      answer.high_water = slot.high_water;
    } else if (version < slot.gc_floor) {
      answer.kind = AnswerKind::kOld;
      answer.version = slot.gc_floor;
    }
    return answer;
  }
  const Version current = found->second.meta.version;
  if (current == version) {
    answer.kind = AnswerKind::kDuplicate;
    answer.meta = meta_of(target.key);
  } else if (version < current) {
    answer.kind = AnswerKind::kOld;
    answer.version = current;
  }
  return answer;
}

Answer AcceptorModel::refuse_writes(bool only_deletes) {
  if (nack_ == Nack::kNone || (nack_ == Nack::kOutOfMemory && only_deletes)) {
    return of(AnswerKind::kOk);
  }
  Answer answer = of(AnswerKind::kNack);
  answer.nack = nack_;
  return answer;
}

void AcceptorModel::commit(const Target& target, const Version& version, Type type,
                           int64_t expires_at_ms, std::string recorded) {
  Register& entry = metas_[std::string(target.key)];
  entry.recorded = std::move(recorded);
  entry.meta = {.version = version, .type = type, .expires_at_ms = expires_at_ms, .reply = {}};
  Slot& slot = slots_[target.slot];
  slot.high_water = std::max(slot.high_water, version.counter);
}

Answer AcceptorModel::on(const Target& target, const Full& it) {
  if (const Answer refusal = may_write(target, it.version); refusal.kind != AnswerKind::kOk) {
    return refusal;
  }
  if (const Answer nack = refuse_writes(it.form == Form::kDeleted); nack.kind != AnswerKind::kOk) {
    return nack;
  }
  const std::string key(target.key);
  switch (it.form) {
    case Form::kDeleted: data_.erase(key); break;
    case Form::kString: data_.insert_or_assign(key, Value(std::string(it.payload))); break;
    case Form::kDump: {
      const std::vector<std::string_view> parts = bulks(it.payload);
      ASSERT(!parts.empty());
      Value value;
      const auto texts = std::span(parts).subspan(1);
      if (parts[0] == "l") value = List(texts.begin(), texts.end());
      if (parts[0] == "e") value = Set(texts.begin(), texts.end());
      if (parts[0] == "h") {
        Hash hash;
        for (size_t i = 0; i + 1 < texts.size(); i += 2) hash.emplace(texts[i], texts[i + 1]);
        value = std::move(hash);
      }
      data_.insert_or_assign(key, std::move(value));
      break;
    }
  }
  commit(target, it.version, it.type, it.expires_at_ms, std::string(it.recorded));
  return of(AnswerKind::kOk);
}

Answer AcceptorModel::on(const Target& target, const Delta& it) {
  if (const Answer refusal = may_write(target, it.version); refusal.kind != AnswerKind::kOk) {
    return refusal;
  }
  const Meta before = meta_of(target.key);
  if (before.version != it.base && !mutated(replicate::Mutation::kNoBaseCheck)) {
    Answer answer = of(AnswerKind::kNeedState);
    answer.version = before.version;
    return answer;
  }
  const std::string key(target.key);
  if (before.present() != data_.contains(key)) {
    Answer answer = of(AnswerKind::kTorn);
    answer.version = before.version;
    return answer;
  }
  std::string recorded;
  int64_t expires_at_ms = it.expires_at_ms;
  text_.clear();
  const std::vector<std::string_view> args = bulks(it.arguments);
  // Memory is asked for only by the first write: a command that takes none opens the door.
  const bool transaction = it.body == Body::kTransaction;
  const bool takes_none = it.body != Body::kNothing && takes_no_memory(args[transaction ? 1 : 0]) &&
                          !(transaction && before.present() && it.expires_at_ms != 0);
  if (const Answer nack = refuse_writes(takes_none); nack.kind != AnswerKind::kOk) return nack;
  switch (it.body) {
    case Body::kNothing: recorded = ":1"; break;
    case Body::kCommand: {
      const std::string reply = Interpreter(data_, args).run();
      if (reply[0] == '-') {
        text_ = reply.substr(1, reply.size() - 3);
        Answer answer = of(AnswerKind::kError);
        answer.reply = text_;
        return answer;
      }
      recorded = recorded_of(reply);
      if (recorded.empty()) text_ = reply;
      break;
    }
    case Body::kTransaction: {
      size_t commands = 0;
      std::string replies;
      if (!before.present()) expires_at_ms = 0;
      for (size_t i = 0; i < args.size(); ++commands) {
        const auto count = base::parse_integer<size_t>(args[i].substr(1));
        ASSERT(count);
        const auto command = std::span(args).subspan(i + 1, *count);
        const std::string reply = Interpreter(data_, command).run();
        if (!data_.contains(key) || is(command[0], "set")) expires_at_ms = 0;
        const bool integer = args[i][0] == 'V' || args[i][0] == 'F';
        if (reply[0] == '_') {
          replies += "*0\r\n";
        } else {
          replies += "*1\r\n" + reply;
          if (integer && reply[0] == ':') replies[replies.size() - reply.size()] = '(';
        }
        i += 1 + *count;
      }
      wire::append_array(text_, commands);
      text_ += replies;
      break;
    }
    case Body::kScript:
      data_.insert_or_assign(
          key, Value("run " + std::to_string(++runs_) + " of " + to_text(incarnation_)));
      recorded = ":1";
      break;
    case Body::kReader: ASSERT(false);
  }
  const Type type = type_of(target.key);
  commit(target, it.version, type, type == Type::kNone ? 0 : expires_at_ms, recorded);
  Answer answer = of(AnswerKind::kOk);
  answer.meta = meta_of(target.key);
  answer.reply = text_;
  return answer;
}

Answer AcceptorModel::on(const Target& target, const Read& it) {
  const Slot& slot = slots_[target.slot];
  const bool exact = it.term != Term{};
  if (exact ? slot.floor != it.term : slot.floor.configuration() != it.configuration) {
    Answer answer = of(exact ? AnswerKind::kStale : AnswerKind::kOtherConfiguration);
    answer.floor = slot.floor;
    return answer;
  }
  const std::string key(target.key);
  Answer answer = of(AnswerKind::kOk);
  answer.blank = !metas_.contains(key);
  answer.meta = meta_of(key);
  answer.floor = slot.floor;
  answer.gc_floor = slot.gc_floor;
  if (it.form == ReadForm::kMeta) return answer;
  const bool there = data_.contains(key);
  bool torn = answer.meta.present() != there;
  text_.clear();
  if (it.form == ReadForm::kString) {
    const auto* text = there ? std::get_if<std::string>(&data_.at(key)) : nullptr;
    text != nullptr ? wire::append_bulk(text_, *text) : wire::append_null(text_, true);
    torn = (answer.meta.type == Type::kString) != (text != nullptr);
  } else {
    const std::vector<std::string_view> args = bulks(it.arguments);
    text_ = Interpreter(data_, args).run();
  }
  answer.reply = text_;
  if (!torn) return answer;
  Answer problem = of(AnswerKind::kTorn);
  problem.version = answer.meta.version;
  return problem;
}

Answer AcceptorModel::on(const Target& target, const DumpAt& it) {
  const std::string key(target.key);
  const Meta meta = meta_of(key);
  const bool blank = !metas_.contains(key);
  if (blank || meta.version != it.version) {
    Answer answer = of(AnswerKind::kNeedState);
    answer.version = meta.version;
    return answer;
  }
  Answer answer = of(AnswerKind::kOk);
  answer.meta = meta;
  if (!meta.present()) return answer;
  const auto found = data_.find(key);
  const auto* text = found == data_.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (found == data_.end() || (meta.type == Type::kString && text == nullptr)) {
    Answer torn = of(AnswerKind::kTorn);
    torn.version = meta.version;
    return torn;
  }
  answer.form = text != nullptr ? Form::kString : Form::kDump;
  state_ = text != nullptr ? *text : value_of(key);
  answer.state = state_;
  return answer;
}

Answer AcceptorModel::on(const Target& target, const RaiseFloor& it) {
  Slot& slot = slots_[target.slot];
  if (slot.floor != it.term) {
    Answer answer = of(AnswerKind::kStale);
    answer.floor = slot.floor;
    return answer;
  }
  if (slot.gc_floor < it.floor) {
    if (const Answer nack = refuse_writes(false); nack.kind != AnswerKind::kOk) return nack;
    slot.gc_floor = it.floor;
  }
  return of(AnswerKind::kOk);
}

Answer AcceptorModel::on(const Target& target, const Forget& it) {
  const Slot& slot = slots_[target.slot];
  Answer answer = of(AnswerKind::kOk);
  if (slot.floor != it.term) {
    answer.kind = AnswerKind::kStale;
    answer.floor = slot.floor;
    return answer;
  }
  const std::string key(target.key);
  if (!metas_.contains(key)) return answer;
  const Meta meta = meta_of(key);
  const bool is_above =
      slot.gc_floor < meta.version && !mutated(replicate::Mutation::kForgetWithoutFloor);
  if (meta.present() || is_above) {
    answer.kind = AnswerKind::kNeedState;
    answer.version = meta.version;
    return answer;
  }
  if (const Answer nack = refuse_writes(true); nack.kind != AnswerKind::kOk) return nack;
  metas_.erase(key);
  return answer;
}

Answer AcceptorModel::on(const Target& target, const Purge& it) {
  Slot& slot = slots_[target.slot];
  if (slot.floor != it.term) {
    Answer answer = of(AnswerKind::kStale);
    answer.floor = slot.floor;
    return answer;
  }
  if (const Answer nack = refuse_writes(true); nack.kind != AnswerKind::kOk) return nack;
  slot.gc_floor = {};
  if (!target.key.empty()) {
    metas_.erase(std::string(target.key));
    data_.erase(std::string(target.key));
  }
  return of(AnswerKind::kOk);
}

/// The cursor is the last key seen; a server's is a number, and none of our business.
Answer AcceptorModel::on(const Target&, const Scan& it) {
  auto next = it.cursor == "0" ? metas_.begin() : metas_.upper_bound(std::string(it.cursor));
  text_.clear();
  std::string meta;
  Answer answer = of(AnswerKind::kOk);
  for (uint32_t i = 0; i < it.count && next != metas_.end(); ++i, ++next) {
    wire::append_bulk(text_, next->first);
    meta.clear();
    append_meta(meta_of(next->first), meta);
    wire::append_bulk(text_, meta);
    state_ = next->first;
  }
  answer.cursor = next == metas_.end() ? std::string_view("0") : std::string_view(state_);
  answer.reply = text_;
  return answer;
}

Meta AcceptorModel::meta_of(std::string_view key) const {
  const auto found = metas_.find(std::string(key));
  if (found == metas_.end()) return {};
  Meta meta = found->second.meta;
  meta.reply = found->second.recorded;
  return meta;
}

Type AcceptorModel::type_of(std::string_view key) const {
  const auto found = data_.find(std::string(key));
  if (found == data_.end()) return Type::kNone;
  constexpr std::array kTypes = {Type::kString, Type::kList, Type::kHash, Type::kSet};
  return kTypes[found->second.index()];
}

std::string AcceptorModel::value_of(std::string_view key) const {
  const auto found = data_.find(std::string(key));
  std::string out;
  if (found == data_.end()) return out;
  const char letter = static_cast<char>(type_of(key));
  wire::append_bulk(out, {&letter, 1});
  const auto add = [&out](const std::string& text) { wire::append_bulk(out, text); };
  if (const auto* text = std::get_if<std::string>(&found->second)) add(*text);
  if (const auto* list = std::get_if<List>(&found->second)) std::ranges::for_each(*list, add);
  if (const auto* set = std::get_if<Set>(&found->second)) std::ranges::for_each(*set, add);
  if (const auto* hash = std::get_if<Hash>(&found->second)) {
    for (const auto& [field, value] : *hash) {
      add(field);
      add(value);
    }
  }
  return out;
}

Term AcceptorModel::floor_of(uint16_t slot) const {
  const auto found = slots_.find(slot);
  return found == slots_.end() ? Term{} : found->second.floor;
}

Version AcceptorModel::gc_floor_of(uint16_t slot) const {
  const auto found = slots_.find(slot);
  return found == slots_.end() ? Version{} : found->second.gc_floor;
}

}  // namespace quorate::test
