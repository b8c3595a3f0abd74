#include "backends/wire/memcached_login.h"

#include <cstring>

#include "consensus/base/limits.h"
#include "consensus/base/text.h"

namespace quorate::wire {

namespace {

/// As much as a user and a password may take.
constexpr size_t kLongestLogin = 2048;
constexpr size_t kWordsOfSet = 5;

std::string_view next_word(std::string_view& line) {
  while (line.starts_with(' ')) line.remove_prefix(1);
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

TextLogin read_text_login(const char* begin, const char* end) {
  const auto available = static_cast<size_t>(end - begin);
  const auto* line_end = static_cast<const char*>(std::memchr(begin, '\n', available));
  if (line_end == nullptr) {
    if (available <= limits::kMemcachedLineBytes) return {};
    return {.size = available, .closes = true};
  }
  std::string_view line(begin, static_cast<size_t>(line_end - begin));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t line_size = static_cast<size_t>(line_end - begin) + 1;
  std::string_view words[kWordsOfSet];
  for (std::string_view& word : words) word = next_word(line);
  const auto bytes = base::parse_integer<size_t>(words[kWordsOfSet - 1]);
  if (words[0] != "set" || !bytes || *bytes > kLongestLogin) {
    return {.size = line_size, .answer = "CLIENT_ERROR unauthenticated"};
  }
  if (available < line_size + *bytes + 2) return {};
  TextLogin login{.size = line_size + *bytes + 2};
  std::string_view text(begin + line_size, *bytes + 2);
  if (!text.ends_with("\r\n")) {
    login.answer = "CLIENT_ERROR bad command line termination";
    return login;
  }
  text.remove_suffix(2);
  login.user = next_word(text);
  login.password = next_word(text);
  if (login.password.empty()) login.answer = "CLIENT_ERROR bad authentication token format";
  return login;
}

std::optional<PlainLogin> read_sasl_plain(std::string_view data) {
  const size_t first = data.find('\0');
  const size_t second = first == std::string_view::npos ? first : data.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return PlainLogin{.user = data.substr(first + 1, second - first - 1),
                    .password = data.substr(second + 1)};
}

}  // namespace quorate::wire
