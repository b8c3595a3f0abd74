#include "backends/wire/command_error.h"

#include <algorithm>
#include <cstddef>

#include "consensus/base/assert.h"

namespace quorate::wire {
namespace {

constexpr size_t kLongestEcho = 128;

/// What C's "%.*s" prints of it, kept on one line.
void append_echo(std::string& out, std::string_view text, size_t longest) {
  text = text.substr(0, std::min(longest, text.find('\0')));
  for (const char c : text) out += c == '\r' || c == '\n' ? ' ' : c;
}

char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }

}  // namespace

void append_unknown_command(std::string& out, std::span<const std::string_view> args) {
  ASSERT(!args.empty());
  out += "-ERR unknown command '";
  append_echo(out, args[0], kLongestEcho);
  out += "', with args beginning with: ";
  // Quotes and blanks count too, so the last argument may reach a few bytes beyond the limit.
  const size_t begin = out.size();
  for (const std::string_view arg : args.subspan(1)) {
    const size_t used = out.size() - begin;
    if (used >= kLongestEcho) break;
    out += '\'';
    append_echo(out, arg, kLongestEcho - used);
    out += "' ";
  }
  out += "\r\n";
}

void append_unknown_subcommand(std::string& out, std::span<const std::string_view> args) {
  ASSERT(args.size() >= 2);
  out += "-ERR unknown subcommand '";
  append_echo(out, args[1], kLongestEcho);
  out += "'. Try ";
  std::ranges::transform(args[0], std::back_inserter(out), ascii_upper);
  out += " HELP.\r\n";
}

void append_wrong_arity(std::string& out, const CommandSpec& spec) {
  // An EXEC that is refused says that the transaction is gone.
  out += spec.id == RedisCommand::kExec ? "-EXECABORT Transaction discarded because of: " : "-ERR ";
  out += "wrong number of arguments for '";
  out += spec.name;
  out += "' command\r\n";
}

void append_command_error(std::string& out, const CommandLookup& lookup,
                          std::span<const std::string_view> args) {
  switch (lookup.error) {
    case CommandError::kNone: ASSERT(lookup.error != CommandError::kNone); break;
    case CommandError::kUnknownCommand: append_unknown_command(out, args); break;
    case CommandError::kUnknownSubcommand: append_unknown_subcommand(out, args); break;
    case CommandError::kWrongArity: append_wrong_arity(out, *lookup.spec); break;
  }
}

}  // namespace quorate::wire
