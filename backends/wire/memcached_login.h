// How a memcached client says who it is.
//
//   text     set <any key> <flags> <time> <bytes>\r\n<user> <password>\r\n   (memcached -Y)
//   binary   SASL_AUTH, mechanism PLAIN: [who to act as] NUL user NUL password
//
// Pure; called by the dialects, for clients that are not known yet.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace quorate::wire {

struct TextLogin {
  size_t size = 0;          ///< bytes that are done with; 0: more are needed
  std::string_view answer;  ///< the error for them; empty: `user` and `password` are to be checked
  bool closes = false;      ///< no line comes to its end: close
  std::string_view user;
  std::string_view password;
};

/// All that the text protocol understands until then. Views of the bytes.
TextLogin read_text_login(const char* begin, const char* end);

struct PlainLogin {
  std::string_view user;
  std::string_view password;
};
std::optional<PlainLogin> read_sasl_plain(std::string_view data);

}  // namespace quorate::wire
