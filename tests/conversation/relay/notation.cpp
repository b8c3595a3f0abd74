#include "tests/conversation/relay/notation.h"

#include <array>
#include <cstdio>

#include "backends/wire/memcached_binary.h"
#include "backends/wire/memcached_reply.h"
#include "backends/wire/resp_reply.h"
#include "backends/wire/resp_request.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::conversation {

using link::Flavor;
using wire::BinaryOpcode;

namespace {

constexpr size_t kLongRun = 24;

bool is_resp(Flavor flavor) { return flavor == Flavor::kResp2 || flavor == Flavor::kResp3; }

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

struct OpcodeName {
  std::string_view name;
  BinaryOpcode opcode;
};

constexpr auto kOpcodes = std::to_array<OpcodeName>({
    {"get", BinaryOpcode::kGet},
    {"set", BinaryOpcode::kSet},
    {"add", BinaryOpcode::kAdd},
    {"replace", BinaryOpcode::kReplace},
    {"delete", BinaryOpcode::kDelete},
    {"incr", BinaryOpcode::kIncrement},
    {"decr", BinaryOpcode::kDecrement},
    {"quit", BinaryOpcode::kQuit},
    {"flush", BinaryOpcode::kFlush},
    {"getq", BinaryOpcode::kGetQ},
    {"noop", BinaryOpcode::kNoop},
    {"version", BinaryOpcode::kVersion},
    {"getk", BinaryOpcode::kGetK},
    {"getkq", BinaryOpcode::kGetKQ},
    {"append", BinaryOpcode::kAppend},
    {"prepend", BinaryOpcode::kPrepend},
    {"stat", BinaryOpcode::kStat},
    {"setq", BinaryOpcode::kSetQ},
    {"addq", BinaryOpcode::kAddQ},
    {"replaceq", BinaryOpcode::kReplaceQ},
    {"deleteq", BinaryOpcode::kDeleteQ},
    {"incrq", BinaryOpcode::kIncrementQ},
    {"decrq", BinaryOpcode::kDecrementQ},
    {"quitq", BinaryOpcode::kQuitQ},
    {"flushq", BinaryOpcode::kFlushQ},
    {"appendq", BinaryOpcode::kAppendQ},
    {"prependq", BinaryOpcode::kPrependQ},
    {"verbosity", BinaryOpcode::kVerbosity},
    {"touch", BinaryOpcode::kTouch},
    {"gat", BinaryOpcode::kGat},
    {"gatq", BinaryOpcode::kGatQ},
    {"sasl_list", BinaryOpcode::kSaslList},
    {"sasl_auth", BinaryOpcode::kSaslAuth},
    {"gatk", BinaryOpcode::kGatK},
    {"gatkq", BinaryOpcode::kGatKQ},
});

std::string name_of(BinaryOpcode opcode) {
  for (const OpcodeName& one : kOpcodes) {
    if (one.opcode == opcode) return std::string(one.name);
  }
  return "opcode" + std::to_string(static_cast<int>(opcode));
}

void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t read_big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

/// "set key=k value=v": a request; with "reply" behind the opcode, a reply ("status=n").
std::string encode_binary(std::string_view text) {
  std::string key;
  std::string value;
  std::string extras;
  uint64_t opaque = 0;
  uint64_t cas = 0;
  uint64_t status = 0;
  bool is_reply = false;
  int64_t missing = 0;
  BinaryOpcode opcode{};
  bool first = true;
  for (const std::string& word : words_of(text)) {
    if (std::exchange(first, false)) {
      for (const OpcodeName& one : kOpcodes) {
        if (one.name == word) opcode = one.opcode;
      }
      if (word.starts_with("opcode")) {
        opcode = static_cast<BinaryOpcode>(*base::parse_integer<uint8_t>(word.substr(6)));
      }
      continue;
    }
    const std::string_view view(word);
    const std::string_view name = view.substr(0, view.find('='));
    const std::string_view said = name == view ? "" : view.substr(name.size() + 1);
    if (name == "reply") is_reply = true;
    if (name == "key") key = said;
    if (name == "value") value = said;
    if (name == "extras") extras = said;
    if (name == "opaque") opaque = *base::parse_integer<uint32_t>(said);
    if (name == "cas") cas = *base::parse_integer<uint64_t>(said);
    if (name == "status") status = *base::parse_integer<uint16_t>(said);
    if (name == "missing") missing = *base::parse_integer<int64_t>(said);
  }
  std::string out(
      1, static_cast<char>(is_reply ? wire::kBinaryReplyMagic : wire::kBinaryRequestMagic));
  out.push_back(static_cast<char>(opcode));
  append_big_endian(out, key.size(), 2);
  append_big_endian(out, extras.size(), 1);
  append_big_endian(out, 0, 1);
  append_big_endian(out, status, 2);
  append_big_endian(out,
                    static_cast<uint64_t>(
                        static_cast<int64_t>(key.size() + value.size() + extras.size()) + missing),
                    4);
  append_big_endian(out, opaque, 4);
  append_big_endian(out, cas, 8);
  return out.append(extras).append(key).append(value);
}

std::string show_binary(std::string_view frame) {
  const bool is_reply = static_cast<unsigned char>(frame[0]) == wire::kBinaryReplyMagic;
  const size_t key_size = read_big_endian(frame.substr(2, 2));
  const size_t extras_size = read_big_endian(frame.substr(4, 1));
  std::string out = name_of(static_cast<BinaryOpcode>(frame[1]));
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.append(" ").append(name).append("=").append(value);
  };
  if (is_reply) out.append(" reply");
  const auto status = read_big_endian(frame.substr(6, 2));
  if (status != 0) add("status", std::to_string(status));
  const std::string_view body = frame.substr(wire::kBinaryHeaderBytes);
  if (extras_size > 0) add("extras", escape(body.substr(0, extras_size)));
  if (key_size > 0) add("key", escape(body.substr(extras_size, key_size)));
  if (body.size() > extras_size + key_size)
    add("value", escape(body.substr(extras_size + key_size)));
  add("opaque", std::to_string(read_big_endian(frame.substr(12, 4))));
  const uint64_t cas = read_big_endian(frame.substr(16, 8));
  if (cas != 0) add("cas", std::to_string(cas));
  return out;
}

std::vector<std::string> show_binaries(std::string_view bytes) {
  std::vector<std::string> lines;
  while (bytes.size() >= wire::kBinaryHeaderBytes) {
    const size_t size = wire::kBinaryHeaderBytes + read_big_endian(bytes.substr(8, 4));
    if (size > bytes.size()) break;
    lines.push_back(show_binary(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) lines.push_back(escape(bytes) + " …");
  return lines;
}

std::string show_word(std::string_view word) {
  const std::string text = escape(word);
  return word.empty() || text.find(' ') != std::string::npos ? "\"" + text + "\"" : text;
}

std::vector<std::string> show_lines(std::string_view bytes) {
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) {
      lines.push_back(escape(bytes) + " …");
      break;
    }
    lines.push_back(escape(bytes.substr(0, end)));
    bytes.remove_prefix(end + 2);
  }
  return lines;
}

}  // namespace

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 2 < text.size() && text[i + 2] == '*') {
      const size_t close = text.find('}', i);
      const auto count = base::parse_integer<size_t>(text.substr(i + 3, close - i - 3));
      if (close != std::string_view::npos && count) {
        out.append(*count, text[i + 1]);
        i = close;
        continue;
      }
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    const char c = text[++i];
    switch (c) {
      case 'r': out.push_back('\r'); break;
      case 'n': out.push_back('\n'); break;
      case 't': out.push_back('\t'); break;
      case 'x':
        ASSERT(i + 2 < text.size());
        out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
        i += 2;
        break;
      default: out.push_back(c);
    }
  }
  return out;
}

std::string escape(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const char c = bytes[i];
    size_t run = 1;
    while (i + run < bytes.size() && bytes[i + run] == c) ++run;
    if (run >= kLongRun && c > ' ' && c < 0x7f && c != '}') {
      out.append("{").append(1, c).append("*").append(std::to_string(run)).append("}");
      i += run;
      continue;
    }
    ++i;
    switch (c) {
      case '\r': out.append("\\r"); break;
      case '\n': out.append("\\n"); break;
      case '\t': out.append("\\t"); break;
      case '\\': out.append("\\\\"); break;
      case '"': out.append("\\\""); break;
      default:
        if (c >= ' ' && c < 0x7f) {
          out.push_back(c);
        } else {
          char text[8];
          std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(c) & 0xffu);
          out.append(text);
        }
    }
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  size_t i = 0;
  while (i < text.size()) {
    if (text[i] == ' ') {
      ++i;
      continue;
    }
    const size_t begin = i;
    bool quoted = false;
    while (i < text.size() && (quoted || text[i] != ' ')) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
      } else if (text[i] == '"') {
        quoted = !quoted;
      }
      ++i;
    }
    std::string_view word = text.substr(begin, i - begin);
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') {
      word = word.substr(1, word.size() - 2);
    }
    words.push_back(unescape(word));
  }
  return words;
}

std::string encode_request(Flavor flavor, std::string_view text) {
  if (flavor == Flavor::kMemcachedText) return unescape(text) + "\r\n";
  if (flavor == Flavor::kMemcachedBinary) return encode_binary(text);
  const auto words = words_of(text);
  const std::vector<std::string_view> views(words.begin(), words.end());
  std::string out;
  wire::append_command(out, views);
  return out;
}

std::vector<std::string> show_requests(Flavor flavor, std::string_view bytes) {
  if (flavor == Flavor::kMemcachedBinary) return show_binaries(bytes);
  if (!is_resp(flavor)) return show_lines(bytes);
  std::vector<std::string> lines;
  wire::Request request;
  while (!bytes.empty()) {
    const auto status =
        bytes[0] != '*'
            ? wire::RequestStatus::kError
            : wire::frame_request(bytes.data(), bytes.data() + bytes.size(), {}, request);
    if (status != wire::RequestStatus::kComplete) {
      lines.push_back(escape(bytes) + " …");
      break;
    }
    std::string line;
    for (const std::string_view word : request.arguments) {
      if (!line.empty()) line.push_back(' ');
      line.append(show_word(word));
    }
    lines.push_back(std::move(line));
    bytes.remove_prefix(request.size);
  }
  return lines;
}

std::vector<std::string> show_replies(Flavor flavor, std::string_view bytes) {
  if (flavor == Flavor::kMemcachedBinary) return show_binaries(bytes);
  if (!is_resp(flavor)) return show_lines(bytes);
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    wire::ReplyScanner scanner;
    const auto progress = scanner.feed(bytes.data(), bytes.data() + bytes.size());
    if (!progress.done) {
      lines.push_back(escape(bytes) + " …");
      break;
    }
    lines.push_back(escape(bytes.substr(0, progress.consumed - 2)));
    bytes.remove_prefix(progress.consumed);
  }
  return lines;
}

std::string encode_message(std::string_view text) {
  const auto words = words_of(text);
  const bool counts = !words.empty() && words.front().ends_with("subscribe");
  std::string out;
  wire::append_array(out, words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    if (counts && i + 1 == words.size()) {
      out.append(":").append(words[i]).append("\r\n");
    } else {
      wire::append_bulk(out, words[i]);
    }
  }
  return out;
}

std::string greeting_replies(Flavor flavor, uint32_t count, uint64_t client_id) {
  const std::string id = "$2\r\nid\r\n:" + std::to_string(client_id) + "\r\n";
  std::string out;
  for (uint32_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    switch (flavor) {
      case Flavor::kResp2:
        out.append(last ? "*4\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n" + id : "+OK\r\n");
        break;
      case Flavor::kResp3:
        out.append(i == 0 ? "%2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n" + id : "+OK\r\n");
        break;
      case Flavor::kMemcachedText: out.append(last ? "VERSION 1.6.18\r\n" : "STORED\r\n"); break;
      case Flavor::kMemcachedBinary:
        out.append(encode_binary(last ? "version reply value=1.6.18"
                                      : "sasl_auth reply value=Authenticated"));
        break;
    }
  }
  return out;
}

}  // namespace quorate::conversation
