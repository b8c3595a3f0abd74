#include "proxy/config/text_of.h"

#include <array>
#include <cstdio>

namespace quorate::config {

std::string toml_string(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result.append(1, '\\').append(1, c);
    } else if (byte < 0x20 || byte == 0x7F) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04X", static_cast<unsigned>(byte));
      result += escape.data();
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string literal(std::string_view text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) escaped += '$';
    escaped += text[i];
  }
  return toml_string(escaped);
}

std::string octal_text(FileMode mode) {
  std::array<char, 16> digits{};
  std::snprintf(digits.data(), digits.size(), "%04o", mode.bits);
  return digits.data();
}

}  // namespace quorate::config
