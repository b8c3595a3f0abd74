// RESP, written: the little that quorate says itself. Appends to a string; the caller keeps one
// warm.
#pragma once

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace quorate::wire {

inline void append_number(std::string& out, int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  static_cast<void>(error);
  out.append(digits, static_cast<size_t>(end - digits));
}

inline void append_header(std::string& out, char type, int64_t value) {
  out.push_back(type);
  append_number(out, value);
  out.append("\r\n");
}

inline void append_integer(std::string& out, int64_t value) { append_header(out, ':', value); }
inline void append_array(std::string& out, size_t count) {
  append_header(out, '*', static_cast<int64_t>(count));
}
inline void append_bulk(std::string& out, std::string_view bytes) {
  append_header(out, '$', static_cast<int64_t>(bytes.size()));
  out.append(bytes).append("\r\n");
}
inline void append_simple(std::string& out, std::string_view text) {
  out.append(1, '+').append(text).append("\r\n");
}

/// `text` with its code, "ERR …": bytes that would end the line become blanks, as redis-server
/// does.
inline void append_error(std::string& out, std::string_view text) {
  out.push_back('-');
  for (const char c : text) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out.append("\r\n");
}

/// A map of `count` pairs; RESP2 has none and gets an array twice as long.
inline void append_map(std::string& out, size_t count, bool resp3) {
  if (resp3) {
    append_header(out, '%', static_cast<int64_t>(count));
  } else {
    append_array(out, count * 2);
  }
}
inline void append_null(std::string& out, bool resp3) { out.append(resp3 ? "_\r\n" : "$-1\r\n"); }

/// Text for people: RESP3 says so, RESP2 has no word for it.
inline void append_verbatim(std::string& out, std::string_view text, bool resp3) {
  if (!resp3) return append_bulk(out, text);
  append_header(out, '=', static_cast<int64_t>(text.size() + 4));
  out.append("txt:").append(text).append("\r\n");
}

/// A command as a client would send it.
inline void append_command(std::string& out, std::span<const std::string_view> arguments) {
  append_array(out, arguments.size());
  for (const std::string_view argument : arguments) append_bulk(out, argument);
}
inline void append_command(std::string& out, std::initializer_list<std::string_view> arguments) {
  append_command(out, std::span(arguments.begin(), arguments.size()));
}

}  // namespace quorate::wire
