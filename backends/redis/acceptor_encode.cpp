// Requests as commands: EVALSHA of our scripts, or a pipeline of plain reads.
#include <array>
#include <charconv>

#include "backends/redis/acceptor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"

namespace quorate::redis::acceptor {
namespace {

/// Text of a number, for as long as the expression lasts.
class Digits {
 public:
  explicit Digits(int64_t number) : end_(std::to_chars(text_, text_ + sizeof text_, number).ptr) {}
  explicit Digits(uint64_t number) : end_(std::to_chars(text_, text_ + sizeof text_, number).ptr) {}
  operator std::string_view() const {
    return {text_, static_cast<size_t>(end_ - text_)};
  }  // NOLINT

 private:
  char text_[24];
  char* end_;
};

class NonceText {
 public:
  explicit NonceText(const cluster::Nonce& nonce) : size_(nonce ? sizeof text_ : 0) {
    if (size_ == 0) return;
    write(text_, nonce.high);
    write(text_ + 16, nonce.low);
  }
  operator std::string_view() const { return {text_, size_}; }  // NOLINT

 private:
  static void write(char* out, uint64_t bits) {
    for (int i = 15; i >= 0; --i, bits >>= 4) out[i] = "0123456789abcdef"[bits & 15];
  }
  char text_[32];
  size_t size_;
};

class VersionText {
 public:
  explicit VersionText(const Version& version) : end_(base::write_text(text_, version)) {}
  operator std::string_view() const {
    return {text_, static_cast<size_t>(end_ - text_)};
  }  // NOLINT

 private:
  char text_[64];
  char* end_;
};

/// "s12": a field of the fence.
class SlotField {
 public:
  SlotField(char letter, uint16_t slot) {
    text_[0] = letter;
    end_ = std::to_chars(text_ + 1, text_ + sizeof text_, slot).ptr;
  }
  operator std::string_view() const {
    return {text_, static_cast<size_t>(end_ - text_)};
  }  // NOLINT

 private:
  char text_[8];
  char* end_;
};

class FenceKey {
 public:
  explicit FenceKey(cluster::PoolSerial pool) {
    kFencePrefix.copy(text_, kFencePrefix.size());
    end_ = std::to_chars(text_ + kFencePrefix.size(), text_ + sizeof text_, number(pool)).ptr;
  }
  operator std::string_view() const {
    return {text_, static_cast<size_t>(end_ - text_)};
  }  // NOLINT

 private:
  char text_[24];
  char* end_;
};

class Encoder {
 public:
  Encoder(const Target& target, std::string& out) : target_(target), out_(out) {}

  void operator()(const Admit& it) {
    begin(Script::kAdmit, 1, 4);
    add(FenceKey(target_.pool));
    add(kFormat);
    add(NonceText(it.cluster));
    add(NonceText(it.expected));
    add(NonceText(it.next));
  }
  void operator()(const Install& it) {
    about_slot(Script::kInstall, 3);
    add_term(it.term);
    add(Digits(uint64_t{it.joined}));
  }
  void operator()(const Full& it) {
    about_key(Script::kFull, 8);
    add_version(it.version);
    add(std::string_view(it.form == Form::kDeleted ? "D" : it.form == Form::kString ? "S" : "R"));
    const char type = static_cast<char>(it.type);
    add({&type, 1});
    add(Digits(it.expires_at_ms));
    add(it.recorded);
    add(it.payload);
  }
  void operator()(const Delta& it) {
    ASSERT(it.argument_count <= kMaxArguments);
    const bool runs = it.body != Body::kNothing && it.body != Body::kCommand;
    about_key(runs ? Script::kRun : Script::kDelta, (runs ? 8 : 7) + it.argument_count);
    add_version(it.version);
    add(VersionText(it.base));
    add(Digits(it.expires_at_ms));
    add(Digits(it.largest_base));
    if (runs) {
      add(Digits(uint64_t{it.shown_keys}));
      add(std::string_view(it.body == Body::kTransaction ? "T"
                           : it.body == Body::kScript    ? "S"
                                                         : "R"));
    } else {
      const char letter = letter_of(it.reply);
      add({&letter, 1});
    }
    out_.append(it.arguments);
  }
  void operator()(const Read& it) {
    switch (it.form) {
      case ReadForm::kMeta: add_get_meta(); break;
      case ReadForm::kString:
        wire::append_array(out_, 3);
        add("MGET");
        add_meta_key();
        add(target_.key);
        break;
      case ReadForm::kCommand:
        // Not within MULTI: a server without memory would refuse even what only reads. Read twice,
        // what says that nothing was written meanwhile.
        add_high_water();
        add_get_meta();
        wire::append_array(out_, 2);
        add("EXISTS");
        add(target_.key);
        wire::append_array(out_, it.argument_count);
        out_.append(it.arguments);
        add_get_meta();
        break;
    }
    // Behind what it vouches for: the fence only rises.
    wire::append_array(out_, 6);
    add("HMGET");
    add(FenceKey(target_.pool));
    add("i");
    add(SlotField('s', target_.slot));
    add(SlotField('g', target_.slot));
    add(SlotField('h', target_.slot));
  }
  void operator()(const DumpAt& it) {
    about_key(Script::kDumpAt, 1);
    add(VersionText(it.version));
  }
  void operator()(const RaiseFloor& it) {
    about_slot(Script::kRaiseFloor, 5);
    add_term(it.term);
    add_version(it.floor);
  }
  void operator()(const Forget& it) {
    about_key(Script::kForget, 2);
    add_term(it.term);
  }
  void operator()(const Purge& it) {
    if (target_.key.empty()) {
      about_slot(Script::kPurge, 2);
    } else {
      about_key(Script::kPurge, 2);
    }
    add_term(it.term);
  }
  void operator()(const Scan& it) {
    about_slot(Script::kScan, 3);
    add(it.cursor);
    add(Digits(uint64_t{it.count}));
    add(kMetaPrefix);
  }

 private:
  void add(std::string_view bulk) { wire::append_bulk(out_, bulk); }
  void add_term(const Term& term) {
    add(Digits(term.number));
    add(Digits(uint64_t{term.session}));
  }
  void add_version(const Version& version) {
    add_term(version.term);
    add(Digits(version.counter));
  }
  void add_get_meta() {
    wire::append_array(out_, 2);
    add("GET");
    add_meta_key();
  }
  void add_high_water() {
    wire::append_array(out_, 3);
    add("HGET");
    add(FenceKey(target_.pool));
    add(SlotField('h', target_.slot));
  }
  void add_meta_key() {
    wire::append_header(out_, '$', static_cast<int64_t>(kMetaPrefix.size() + target_.key.size()));
    out_.append(kMetaPrefix).append(target_.key).append("\r\n");
  }
  void begin(Script script, size_t keys, size_t arguments) {
    wire::append_array(out_, 3 + keys + arguments);
    out_.append("$7\r\nEVALSHA\r\n$40\r\n").append(sha1_of(script)).append("\r\n");
    add(Digits(uint64_t{keys}));
  }
  void about_slot(Script script, size_t arguments) {
    begin(script, 1, 2 + arguments);
    add(FenceKey(target_.pool));
    add_slot();
  }
  void about_key(Script script, size_t arguments) {
    begin(script, 3, 2 + arguments);
    add(FenceKey(target_.pool));
    add_meta_key();
    add(target_.key);
    add_slot();
  }
  void add_slot() {
    add(Digits(uint64_t{target_.slot}));
    add(NonceText(target_.incarnation));
  }

  const Target& target_;
  std::string& out_;
};

struct Questions {
  using Question = Expected::Question;
  Question operator()(const Admit&) const { return Question::kAdmit; }
  Question operator()(const Install&) const { return Question::kInstall; }
  Question operator()(const Full&) const { return Question::kFull; }
  Question operator()(const Delta&) const { return Question::kDelta; }
  Question operator()(const Read& it) const {
    constexpr std::array kForms = {Question::kReadMeta, Question::kReadString,
                                   Question::kReadCommand};
    return kForms[static_cast<size_t>(it.form)];
  }
  Question operator()(const DumpAt&) const { return Question::kDumpAt; }
  Question operator()(const RaiseFloor&) const { return Question::kRaiseFloor; }
  Question operator()(const Forget&) const { return Question::kForget; }
  Question operator()(const Purge&) const { return Question::kPurge; }
  Question operator()(const Scan&) const { return Question::kScan; }
};

}  // namespace

char letter_of(ReplyFrom reply) { return "N2VF"[static_cast<size_t>(reply)]; }

Expected expected_of(const Request& request) {
  Expected expected;
  expected.question = std::visit(Questions{}, request.what);
  if (const auto* read = std::get_if<Read>(&request.what)) {
    expected.replies = read->form == ReadForm::kCommand ? 6 : 2;
    expected.configuration = read->configuration;
    expected.term = read->term;
    expected.incarnation = request.target.incarnation;
  }
  return expected;
}

void encode(const Request& request, std::string& out) {
  std::visit(Encoder(request.target, out), request.what);
}

void append_meta(const Meta& meta, std::string& out) {
  out.push_back('a');
  out.append(VersionText(meta.version));
  out.push_back('|');
  out.push_back(static_cast<char>(meta.type));
  out.push_back('|');
  out.append(Digits(meta.expires_at_ms));
  out.push_back('|');
  out.append(meta.reply);
}

std::string to_text(const cluster::Nonce& nonce) { return std::string(NonceText(nonce)); }

std::string fence_key(cluster::PoolSerial pool) { return std::string(FenceKey(pool)); }

}  // namespace quorate::redis::acceptor
