#include "backends/redis/handshake.h"

#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::redis {

namespace {

std::string_view first_line(std::string_view reply) { return reply.substr(0, reply.find("\r\n")); }

/// The value of "version" in HELLO's map, whichever RESP it is written in.
std::string_view version_in(std::string_view reply) {
  constexpr std::string_view kKey = "$7\r\nversion\r\n$";
  const size_t at = reply.find(kKey);
  if (at == std::string_view::npos) return {};
  std::string_view rest = reply.substr(at + kKey.size());
  const size_t line_end = rest.find("\r\n");
  if (line_end == std::string_view::npos) return {};
  const auto length = base::parse_integer<size_t>(rest.substr(0, line_end));
  rest.remove_prefix(line_end + 2);
  return length && *length <= rest.size() ? rest.substr(0, *length) : std::string_view{};
}

/// The value of "id" in HELLO's map: what CLIENT UNBLOCK calls this connection. 0: it is not there.
uint64_t client_id_in(std::string_view reply) {
  constexpr std::string_view kKey = "$2\r\nid\r\n:";
  const size_t at = reply.find(kKey);
  if (at == std::string_view::npos) return 0;
  return base::parse_integer<uint64_t>(first_line(reply.substr(at + kKey.size()))).value_or(0);
}

}  // namespace

link::Greeting greeting(link::Flavor flavor, const link::Credentials& credentials) {
  const bool resp3 = flavor == link::Flavor::kResp3;
  const std::string_view user = credentials.user.empty() ? "default" : credentials.user;
  link::Greeting result;
  const auto add = [&result](std::initializer_list<std::string_view> command) {
    wire::append_command(result.bytes, command);
    ++result.replies;
  };
  if (resp3 && !credentials.password.empty()) {
    add({"HELLO", "3", "AUTH", user, credentials.password});
  } else if (resp3) {
    add({"HELLO", "3"});
  } else if (!credentials.password.empty()) {
    if (credentials.user.empty()) {
      add({"AUTH", credentials.password});
    } else {
      add({"AUTH", user, credentials.password});
    }
  }
  if (credentials.database != 0) {
    append_select(result.bytes, credentials.database);
    ++result.replies;
  }
  if (credentials.readonly) add({"READONLY"});
  if (!resp3) add({"HELLO"});
  return result;
}

link::GreetingVerdict judge_greeting_reply(link::Flavor flavor, std::string_view reply) {
  link::GreetingVerdict verdict;
  if (!reply.starts_with('-')) {
    verdict.server_version = version_in(reply);
    verdict.client_id = client_id_in(reply);
    return verdict;
  }
  const std::string_view error = first_line(reply).substr(1);
  // A server older than 6 does not know HELLO, one that loads its data does not answer all; both
  // live.
  const bool knows_no_hello =
      flavor == link::Flavor::kResp2 && error.starts_with("ERR unknown command");
  if (knows_no_hello || error.starts_with("LOADING")) return verdict;
  verdict.refusal = error;
  return verdict;
}

void append_select(std::string& out, uint16_t database) {
  char digits[8];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, database);
  static_cast<void>(error);
  wire::append_command(out,
                       {"SELECT", std::string_view(digits, static_cast<size_t>(end - digits))});
}

}  // namespace quorate::redis
