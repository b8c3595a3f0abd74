// Users and what each may do, in the words of Redis' ACL files:
//
//   user default on nopass ~* &* +@all -@dangerous
//   user app on #<sha256 of the password> ~app:* %R~shared:* +@read +@write -flushall +config|get
//
// Rules are read from left to right, as Redis 7.0 does. Selectors, "(…)", are not known here. Pure:
// text in, bit sets and patterns out. Read when a configuration is loaded; asked for each command
// of a user that is not the unlimited default.
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/glob.h"
#include "backends/wire/redis_commands.h"
#include "consensus/base/result.h"

namespace quorate::wire {

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view text);

struct AclUser {
  struct KeyPattern {
    std::string pattern;
    bool read = false;
    bool write = false;
  };

  std::string name;
  bool enabled = false;
  bool needs_no_password = false;
  std::vector<std::string> passwords;  ///< sha256_hex() of each
  std::bitset<kRedisCommandCount> commands;
  bool other_commands = false;  ///< those that the table does not know
  std::vector<KeyPattern> keys;
  std::vector<std::string> channels;
  std::string command_rules;  ///< as ACL LIST shows them

  bool accepts(std::string_view password) const;
  bool allows(const CommandSpec& spec) const {
    if (spec.flags.has(CommandFlag::kNoAuth)) return true;
    return spec.id == RedisCommand::kUnknown ? other_commands
                                             : commands[static_cast<size_t>(spec.id)];
  }
  bool allows_all_keys() const;
  /// REQUIRES: `args` are a call of `spec`.
  bool allows_keys(const CommandSpec& spec, std::span<const std::string_view> args) const;
  /// The channels that PUBLISH, SUBSCRIBE and the like name; of any other command: true.
  bool allows_channels(const CommandSpec& spec, std::span<const std::string_view> args) const;
  /// "user app on #… ~app:* resetchannels -@all +get"
  std::string line() const;
};

/// All users of a pool. Never edited once it is shared.
struct AclUsers {
  std::string text;  ///< that they were read from
  std::vector<AclUser> users;

  const AclUser* find(std::string_view name) const;
};

/// Reads the lines of an ACL file. The error says what is wrong, with the line's number.
base::Result<std::shared_ptr<const AclUsers>, std::string> parse_acl_users(std::string_view text);

}  // namespace quorate::wire
