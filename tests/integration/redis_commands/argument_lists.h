// Argument lists for every command that has keys: valid ones from a small grammar, the same with
// something wrong, and plain soup. The same seed gives the same lists.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/redis_commands.h"
#include "consensus/base/random.h"

namespace quorate::test {

class ArgumentLists {
 public:
  explicit ArgumentLists(uint64_t seed) : random_(seed) {}

  /// One list for `spec`, its name included.
  std::vector<std::string> next(const wire::CommandSpec& spec);

 private:
  using Args = std::vector<std::string>;

  void add_soup(Args& args, const wire::CommandSpec& spec);
  void add_from_grammar(Args& args, std::string_view grammar);
  void add_word(Args& args, std::string_view word);
  void add_keys(Args& args, uint64_t count);
  void spoil(Args& args);
  std::string key();
  std::string number();
  std::string option(std::string_view name);
  std::string any();

  base::Random random_;
  uint64_t keys_made_ = 0;
};

}  // namespace quorate::test
