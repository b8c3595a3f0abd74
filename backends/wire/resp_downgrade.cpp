#include "backends/wire/resp_downgrade.h"

#include <algorithm>

#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/limits.h"
#include "consensus/base/text.h"

namespace quorate::wire {

namespace {

bool has_word(std::span<const std::string_view> args, size_t from, std::string_view word) {
  for (size_t i = from; i < args.size(); ++i) {
    if (base::equal_ignoring_case(args[i], word)) return true;
  }
  return false;
}

/// One reply after the other, each into its place.
class Downgrade {
 public:
  Downgrade(std::string_view bytes, ReplyShape shape, std::string& out)
      : cursor_(bytes), shape_(shape), out_(out) {}

  /// false: no reply, or nested too deep.
  bool whole() { return element(0) && cursor_.at_end(); }

 private:
  bool element(uint32_t depth) {
    RespElement one;
    if (depth > limits::kReplyDepth || !cursor_.read(one)) return false;
    switch (one.type) {
      case '_': {
        const bool array = depth == 0 ? shape_.nil_is_array : shape_.inner_nil_is_array;
        out_.append(array ? "*-1\r\n" : "$-1\r\n");
        return true;
      }
      case '+':
      case '-':
      case ':':
        out_.push_back(one.type);
        out_.append(one.text).append("\r\n");
        return true;
      case '$':
      case ',':
      case '(': append_bulk(out_, one.text); return true;
      case '=':
        append_bulk(out_, one.text.size() >= 4 ? one.text.substr(4) : one.text);
        return true;
      case '!': append_error(out_, one.text); return true;
      case '#': out_.append(one.text == "t" ? ":1\r\n" : ":0\r\n"); return true;
      case '%': return map(one.count, depth);
      case '*':
      case '~':
      case '>':
        if (depth == 0 && shape_.pairs_are_flat && are_pairs(one.count)) return pairs(one.count);
        append_array(out_, static_cast<size_t>(one.count));
        return elements(one.count, depth);
      default: return false;
    }
  }

  bool elements(int64_t count, uint32_t depth) {
    for (; count > 0; --count) {
      if (count == 1 && depth == 0 && shape_.last_nil_is_array && cursor_.rest() == "_\r\n") {
        out_.append("*-1\r\n");
        return !cursor_.skip().empty();
      }
      if (!element(depth + 1)) return false;
    }
    return true;
  }

  bool map(int64_t count, uint32_t depth) {
    if (depth > 0 || !shape_.map_is_pairs) {
      append_array(out_, 2 * static_cast<size_t>(count));
      return elements(2 * count, depth);
    }
    append_array(out_, static_cast<size_t>(count));
    for (; count > 0; --count) {
      append_array(out_, 2);
      if (!elements(2, depth)) return false;
    }
    return true;
  }

  bool are_pairs(int64_t count) const {
    RespCursor ahead = cursor_;
    RespElement first;
    return count > 0 && ahead.read(first) && first.is_array() && first.count == 2;
  }

  bool pairs(int64_t count) {
    append_array(out_, 2 * static_cast<size_t>(count));
    for (; count > 0; --count) {
      RespElement pair;
      if (!cursor_.read(pair) || !pair.is_array() || pair.count != 2 || !elements(2, 1)) {
        return false;
      }
    }
    return true;
  }

  RespCursor cursor_;
  const ReplyShape shape_;
  std::string& out_;
};

}  // namespace

ReplyShape reply_shape_of(RedisCommand command, std::span<const std::string_view> args) {
  ReplyShape shape;
  switch (command) {
    case RedisCommand::kLpop:
    case RedisCommand::kRpop: shape.nil_is_array = args.size() > 2; break;
    case RedisCommand::kXread: shape.nil_is_array = shape.map_is_pairs = true; break;
    case RedisCommand::kXreadgroup:
      shape.nil_is_array = shape.map_is_pairs = shape.inner_nil_is_array = true;
      break;
    case RedisCommand::kXrange:
    case RedisCommand::kXrevrange:
    case RedisCommand::kExec:
    case RedisCommand::kBlpop:
    case RedisCommand::kBrpop:
    case RedisCommand::kBzpopmin:
    case RedisCommand::kBzpopmax:
    case RedisCommand::kLmpop:
    case RedisCommand::kZmpop: shape.nil_is_array = true; break;
    case RedisCommand::kXpending: shape.last_nil_is_array = args.size() == 3; break;
    case RedisCommand::kGeopos: shape.inner_nil_is_array = true; break;
    case RedisCommand::kZrange:
    case RedisCommand::kZrangebyscore:
    case RedisCommand::kZrevrange:
    case RedisCommand::kZrevrangebyscore:
    case RedisCommand::kZrandmember: shape.pairs_are_flat = has_word(args, 2, "WITHSCORES"); break;
    case RedisCommand::kHrandfield: shape.pairs_are_flat = has_word(args, 2, "WITHVALUES"); break;
    case RedisCommand::kZpopmin:
    case RedisCommand::kZpopmax: shape.pairs_are_flat = true; break;
    default: break;
  }
  return shape;
}

void append_as_resp2(std::string_view resp3, ReplyShape shape, std::string& out) {
  const size_t before = out.size();
  if (Downgrade(resp3, shape, out).whole()) return;
  out.resize(before);
  out.append("-ERR the replica's reply cannot be told in RESP2\r\n");
}

void append_as_resp2(std::string_view resp3, ReplyShape shape, std::span<const ReplyShape> elements,
                     std::string& out) {
  RespCursor cursor(resp3);
  RespElement element;
  const bool are_here = !elements.empty() && cursor.read(element) && element.is_array() &&
                        element.count == static_cast<int64_t>(elements.size());
  if (!are_here) return append_as_resp2(resp3, shape, out);
  append_array(out, elements.size());
  for (const ReplyShape one : elements) append_as_resp2(cursor.skip(), one, out);
}

}  // namespace quorate::wire
