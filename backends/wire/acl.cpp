#include "backends/wire/acl.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "backends/wire/key_walk.h"
#include "consensus/base/assert.h"
#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

constexpr size_t kHashSize = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashSize && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string folded(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = base::ascii_lower(c);
  return lower;
}

/// Reads the rules of one user, one after the other.
class RuleReader {
 public:
  explicit RuleReader(AclUser& user) : user_(user) {}

  /// What is wrong with it, or nothing.
  std::string read(std::string_view rule);

 private:
  std::string read_word(std::string_view rule);
  std::string read_key_pattern(std::string_view rule);
  std::string read_commands(std::string_view rule);
  void set_all(bool allowed) {
    allowed ? user_.commands.set() : user_.commands.reset();
    user_.other_commands = allowed;
    user_.command_rules = allowed ? "+@all" : "-@all";
  }
  void set(const CommandSpec& spec, bool allowed) {
    user_.commands[static_cast<size_t>(spec.id)] = allowed;
    for (const CommandSpec& one : spec.subcommands()) {
      user_.commands[static_cast<size_t>(one.id)] = allowed;
    }
  }

  AclUser& user_;
};

std::string RuleReader::read(std::string_view rule) {
  switch (rule.front()) {
    case '>': user_.passwords.push_back(sha256_hex(rule.substr(1))); return {};
    case '#':
      if (!is_hash(rule.substr(1))) return "takes \"#\" and 64 hexadecimal digits of SHA-256";
      user_.passwords.emplace_back(rule.substr(1));
      return {};
    case '~': user_.keys.push_back({std::string(rule.substr(1)), true, true}); return {};
    case '%': return read_key_pattern(rule);
    case '&': user_.channels.emplace_back(rule.substr(1)); return {};
    case '+':
    case '-': return read_commands(rule);
    case '(': return "selectors are not known to quorate";
    default: return read_word(folded(rule));
  }
}

std::string RuleReader::read_word(std::string_view rule) {
  if (rule == "on" || rule == "off") {
    user_.enabled = rule == "on";
  } else if (rule == "nopass") {
    user_.needs_no_password = true;
    user_.passwords.clear();
  } else if (rule == "resetpass") {
    user_.needs_no_password = false;
    user_.passwords.clear();
  } else if (rule == "allkeys") {
    user_.keys = {{"*", true, true}};
  } else if (rule == "resetkeys") {
    user_.keys.clear();
  } else if (rule == "allchannels") {
    user_.channels = {"*"};
  } else if (rule == "resetchannels") {
    user_.channels.clear();
  } else if (rule == "allcommands" || rule == "nocommands") {
    set_all(rule == "allcommands");
  } else if (rule == "reset") {
    user_ = {.name = user_.name, .command_rules = "-@all"};
  } else if (rule != "sanitize-payload" && rule != "skip-sanitize-payload") {
    return "is no rule of Redis' ACL";
  }
  return {};
}

std::string RuleReader::read_key_pattern(std::string_view rule) {
  const size_t tilde = rule.find('~');
  if (tilde == std::string_view::npos) return "takes \"%R~\", \"%W~\" or \"%RW~\" and a pattern";
  AclUser::KeyPattern pattern{std::string(rule.substr(tilde + 1)), false, false};
  for (const char c : rule.substr(1, tilde - 1)) {
    if (base::ascii_lower(c) == 'r') {
      pattern.read = true;
    } else if (base::ascii_lower(c) == 'w') {
      pattern.write = true;
    } else {
      return "takes \"%R~\", \"%W~\" or \"%RW~\" and a pattern";
    }
  }
  user_.keys.push_back(std::move(pattern));
  return {};
}

std::string RuleReader::read_commands(std::string_view rule) {
  const bool allowed = rule.front() == '+';
  const std::string what = folded(rule.substr(1));
  if (what == "@all") {
    set_all(allowed);
    return {};
  }
  if (what.starts_with('@')) {
    FlagSet<AclCategory> category;
    if (!category.add_word(std::string_view(what).substr(1))) return "is no category of commands";
    const auto& words = FlagWords<AclCategory>::words;
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != std::string_view(what).substr(1)) continue;
      for (const CommandSpec& spec : redis_command_table()) {
        if (spec.categories.has(static_cast<AclCategory>(i))) {
          user_.commands[static_cast<size_t>(spec.id)] = allowed;
        }
      }
    }
  } else {
    const size_t bar = what.find('|');
    const CommandSpec* spec = find_command(std::string_view(what).substr(0, bar));
    if (spec != nullptr && bar != std::string::npos) {
      spec = find_subcommand(*spec, std::string_view(what).substr(bar + 1));
    }
    if (spec == nullptr) return "is no command of Redis 7.0";
    set(*spec, allowed);
  }
  user_.command_rules.append(" ").append(rule.substr(0, 1)).append(what);
  return {};
}

/// SET answers the old value only if asked to.
bool only_writes(const CommandSpec& spec, std::span<const std::string_view> args) {
  return spec.id == RedisCommand::kSet &&
         std::none_of(args.begin() + std::min<ptrdiff_t>(std::ssize(args), 3), args.end(),
                      [](auto arg) { return is_option(arg, "GET"); });
}

/// BITFIELD of nothing but GET type offset.
bool only_reads(const CommandSpec& spec, std::span<const std::string_view> args) {
  if (spec.id != RedisCommand::kBitfield) return false;
  for (size_t i = 2; i < args.size(); i += 3) {
    if (!is_option(args[i], "GET")) return false;
  }
  return true;
}

/// The next word of a line; empty: there is none.
std::string_view next_word(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  ASSERT(done == 1);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex.push_back(kDigits[digest[i] >> 4]);
    hex.push_back(kDigits[digest[i] & 15]);
  }
  return hex;
}

bool AclUser::accepts(std::string_view password) const {
  if (!enabled) return false;
  if (needs_no_password) return true;
  // Hashes are compared, whole: how long it takes tells nothing of the password.
  const std::string hash = sha256_hex(password);
  bool accepted = false;
  for (const std::string& one : passwords) {
    unsigned difference = 0;
    for (size_t i = 0; i < kHashSize; ++i) {
      difference |= static_cast<unsigned char>(one[i]) ^ static_cast<unsigned char>(hash[i]);
    }
    accepted = accepted || difference == 0;
  }
  return accepted;
}

bool AclUser::allows_all_keys() const {
  return std::ranges::any_of(
      keys, [](const KeyPattern& one) { return one.pattern == "*" && one.read && one.write; });
}

bool AclUser::allows_keys(const CommandSpec& spec, std::span<const std::string_view> args) const {
  if (allows_all_keys()) return true;
  const KeyWalk walk(spec, args);
  if (walk.error() == KeyError::kAskServer) return false;
  for (const auto key : walk) {
    const bool writes = (key.flags.has(KeyFlag::kUpdate) || key.flags.has(KeyFlag::kInsert) ||
                         key.flags.has(KeyFlag::kDelete)) &&
                        !only_reads(spec, args);
    const bool reads = key.flags.has(KeyFlag::kAccess) && !only_writes(spec, args);
    const bool any = std::ranges::any_of(keys, [&](const KeyPattern& one) {
      return (one.read || !reads) && (one.write || !writes) &&
             matches_glob(one.pattern, args[key.index]);
    });
    if (!any) return false;
  }
  return true;
}

bool AclUser::allows_channels(const CommandSpec& spec,
                              std::span<const std::string_view> args) const {
  const bool is_pattern = spec.id == RedisCommand::kPsubscribe;
  size_t last = 0;
  switch (spec.id) {
    case RedisCommand::kPublish:
    case RedisCommand::kSpublish: last = 1; break;
    case RedisCommand::kSubscribe:
    case RedisCommand::kPsubscribe:
    case RedisCommand::kSsubscribe: last = args.size() - 1; break;
    default: return true;
  }
  for (size_t i = 1; i <= last; ++i) {
    const bool any = std::ranges::any_of(channels, [&](const std::string& one) {
      if (one == "*") return true;
      return is_pattern ? one == args[i] : matches_glob(one, args[i]);
    });
    if (!any) return false;
  }
  return true;
}

std::string AclUser::line() const {
  std::string text = "user " + name + (enabled ? " on" : " off");
  if (needs_no_password) text += " nopass";
  for (const std::string& one : passwords) text += " #" + one;
  for (const KeyPattern& one : keys) {
    const std::string_view mark = one.read && one.write ? "~" : one.read ? "%R~" : "%W~";
    text.append(" ").append(mark).append(one.pattern);
  }
  if (keys.empty()) text += " resetkeys";
  if (channels.empty()) text += " resetchannels";
  for (const std::string& one : channels) text += " &" + one;
  return text + " " + command_rules;
}

const AclUser* AclUsers::find(std::string_view name) const {
  const auto found = std::ranges::find(users, name, &AclUser::name);
  return found == users.end() ? nullptr : &*found;
}

base::Result<std::shared_ptr<const AclUsers>, std::string> parse_acl_users(std::string_view text) {
  auto read = std::make_shared<AclUsers>();
  read->text = text;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto wrong = [number](const std::string& what) {
      return base::Failure{"line " + std::to_string(number) + ": " + what};
    };
    const std::string_view first = next_word(line);
    if (first.empty() || first.starts_with('#')) continue;
    if (first != "user") return wrong("does not begin with \"user\"");
    const std::string_view name = next_word(line);
    if (name.empty()) return wrong("names no user");
    if (read->find(name) != nullptr) return wrong("user " + std::string(name) + " is there twice");
    AclUser user{.name = std::string(name), .command_rules = "-@all"};
    RuleReader rules(user);
    for (std::string_view rule = next_word(line); !rule.empty(); rule = next_word(line)) {
      const std::string problem = rules.read(rule);
      // A password is not to be shown, whatever is wrong with it.
      const bool is_secret = rule.front() == '>' || rule.front() == '#';
      if (!problem.empty()) {
        return wrong((is_secret ? "a password" : "\"" + std::string(rule) + "\"") + " " + problem);
      }
    }
    read->users.push_back(std::move(user));
  }
  return std::shared_ptr<const AclUsers>(std::move(read));
}

}  // namespace quorate::wire
