// Just enough UTF-8 to give places in code points, to refuse what is broken, and to show the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::config {

/// Bytes of the code point that `text` begins with; 0 when it begins with none (broken, overlong,
/// a surrogate, beyond U+10FFFF, or empty). The Unicode standard, table 3-7.
constexpr size_t code_point_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

/// The code point that `text` begins with; 0 when it begins with none.
constexpr uint32_t code_point(std::string_view text) {
  const size_t length = code_point_length(text);
  if (length == 0) return 0;
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  if (length == 1) return byte(0);
  uint32_t point = byte(0) & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) point = point << 6 | (byte(i) & 0x3Fu);
  return point;
}

/// `text` with U+FFFD for what could steer a terminal (C0, DEL, C1) and for what is not UTF-8, and
/// a space for a tab.
std::string printable(std::string_view text);

}  // namespace quorate::config
