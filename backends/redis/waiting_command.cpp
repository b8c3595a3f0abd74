#include "backends/redis/waiting_command.h"

#include "backends/wire/key_walk.h"
#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::redis {

using base::equal_ignoring_case;
using wire::RedisCommand;

namespace {

constexpr std::string_view kSyntax = "ERR syntax error";

bool counts_keys(RedisCommand command) {
  return command == RedisCommand::kBlmpop || command == RedisCommand::kBzmpop;
}

/// BLMPOP timeout numkeys key … WHERE: where WHERE is.
size_t behind_keys(std::span<const std::string_view> args) {
  return 3 + base::parse_integer<size_t>(args[2]).value_or(0);
}

/// XREAD [COUNT n] [BLOCK ms] STREAMS key … id …: what stands before STREAMS, without BLOCK.
struct StreamRead {
  std::vector<std::string_view> head;
  size_t keys = 0;  ///< where they begin
  bool waits = false;

  explicit StreamRead(std::span<const std::string_view> args) {
    for (size_t i = 0; i < args.size(); ++i) {
      if (wire::is_option(args[i], "STREAMS") && i > 0) {
        keys = i + 1;
        return;
      }
      const bool is_block = wire::is_option(args[i], "BLOCK") && i > 0;
      const size_t values = wire::is_option(args[i], "GROUP") && i > 0   ? 2
                            : wire::is_option(args[i], "COUNT") && i > 0 ? 1
                                                                         : 0;
      waits = waits || is_block;
      if (is_block) {
        ++i;
        continue;
      }
      for (size_t k = i; k <= i + values && k < args.size(); ++k) head.push_back(args[k]);
      i += values;
    }
  }
};

bool reads_streams(RedisCommand command) {
  return command == RedisCommand::kXread || command == RedisCommand::kXreadgroup;
}

}  // namespace

bool is_unbalanced(RedisCommand command, std::span<const std::string_view> args) {
  if (!reads_streams(command)) return false;
  const size_t keys = StreamRead(args).keys;
  return keys != 0 && (args.size() - keys) % 2 != 0;
}

bool waits(RedisCommand command, std::span<const std::string_view> args) {
  if (reads_streams(command)) return StreamRead(args).waits;
  return is_waiting_pop(command);
}

bool is_waiting_pop(RedisCommand command) {
  switch (command) {
    case RedisCommand::kBlpop:
    case RedisCommand::kBrpop:
    case RedisCommand::kBzpopmin:
    case RedisCommand::kBzpopmax:
    case RedisCommand::kBlmove:
    case RedisCommand::kBrpoplpush:
    case RedisCommand::kBlmpop:
    case RedisCommand::kBzmpop: return true;
    default: return false;
  }
}

bool names_its_key(RedisCommand command) {
  return command == RedisCommand::kBlpop || command == RedisCommand::kBrpop ||
         command == RedisCommand::kBzpopmin || command == RedisCommand::kBzpopmax;
}

std::optional<std::string> error_of_pop(RedisCommand command,
                                        std::span<const std::string_view> args) {
  const auto is_side = [&](size_t at, std::string_view one, std::string_view other) {
    return at < args.size() &&
           (equal_ignoring_case(args[at], one) || equal_ignoring_case(args[at], other));
  };
  if (command == RedisCommand::kBlmove) {
    const bool fine = is_side(3, "LEFT", "RIGHT") && is_side(4, "LEFT", "RIGHT");
    return fine ? std::nullopt : std::optional(std::string(kSyntax));
  }
  if (!counts_keys(command)) return std::nullopt;
  const bool is_list = command == RedisCommand::kBlmpop;
  const size_t where = behind_keys(args);
  if (!is_side(where, is_list ? "LEFT" : "MIN", is_list ? "RIGHT" : "MAX")) {
    return std::string(kSyntax);
  }
  if (args.size() == where + 1) return std::nullopt;
  if (args.size() != where + 3 || !equal_ignoring_case(args[where + 1], "COUNT")) {
    return std::string(kSyntax);
  }
  if (base::parse_integer<int64_t>(args[where + 2]).value_or(0) > 0) return std::nullopt;
  return "ERR count should be greater than 0";
}

std::vector<std::string_view> without_waiting(RedisCommand command,
                                              std::span<const std::string_view> args) {
  if (reads_streams(command)) {
    StreamRead read(args);
    read.head.emplace_back("STREAMS");
    read.head.insert(read.head.end(), args.begin() + static_cast<std::ptrdiff_t>(read.keys),
                     args.end());
    return read.head;
  }
  switch (command) {
    case RedisCommand::kBlpop: return {"LPOP", args[1]};
    case RedisCommand::kBrpop: return {"RPOP", args[1]};
    case RedisCommand::kBzpopmin: return {"ZPOPMIN", args[1]};
    case RedisCommand::kBzpopmax: return {"ZPOPMAX", args[1]};
    case RedisCommand::kBlmove: return {"LMOVE", args[1], args[2], args[3], args[4]};
    case RedisCommand::kBrpoplpush: return {"RPOPLPUSH", args[1], args[2]};
    default: break;
  }
  std::vector<std::string_view> pop = {command == RedisCommand::kBlmpop ? "LMPOP" : "ZMPOP"};
  pop.insert(pop.end(), args.begin() + 2, args.end());
  return pop;
}

std::vector<std::string_view> for_key(RedisCommand command, std::span<const std::string_view> args,
                                      std::string_view key) {
  if (reads_streams(command)) {
    StreamRead read(args);
    const size_t count = (args.size() - read.keys) / 2;
    size_t at = read.keys;
    while (args[at] != key) ++at;
    read.head.insert(read.head.end(), {"STREAMS", key, args[at + count]});
    return read.head;
  }
  if (names_its_key(command)) return {args[0], key, args.back()};
  if (!counts_keys(command)) return {args.begin(), args.end()};
  std::vector<std::string_view> pop = {args[0], args[1], "1", key};
  const auto where = static_cast<std::ptrdiff_t>(behind_keys(args));
  pop.insert(pop.end(), args.begin() + where, args.end());
  return pop;
}

bool reads_from_now(std::span<const std::string_view> args) { return args.back() == "$"; }

std::optional<std::string_view> last_id_in(std::string_view reply) {
  if (reply.starts_with("-ERR no such key") || reply == "_\r\n" || reply == "$-1\r\n") return "0-0";
  if (reply.starts_with('-')) return std::nullopt;
  // Before anything that clients have chosen.
  constexpr std::string_view kName = "last-generated-id\r\n$";
  const size_t name = reply.find(kName);
  if (name == std::string_view::npos) return std::nullopt;
  const size_t begin = reply.find("\r\n", name + kName.size()) + 2;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

void append_with_key(std::string_view key, std::string_view reply, std::string& out) {
  wire::RespCursor cursor(reply);
  wire::RespElement element;
  if (!cursor.read(element) || element.is_nil() || (element.is_array() && element.count == 0)) {
    out.append("_\r\n");
    return;
  }
  if (element.is_error()) {
    out.append(reply);
    return;
  }
  wire::append_array(out, element.is_array() ? 1 + static_cast<size_t>(element.count) : 2);
  wire::append_bulk(out, key);
  out.append(element.is_array() ? cursor.rest() : reply);
}

}  // namespace quorate::redis
