#include "proxy/config/yaml_passwords.h"

#include <algorithm>
#include <array>

#include "consensus/base/text.h"

namespace quorate::config {
namespace {

constexpr size_t npos = std::string_view::npos;
constexpr std::string_view kMask = "********";

bool looks_like_password(std::string_view key) {
  std::string lower;
  for (const char c : key) lower += base::ascii_lower(c);
  return std::ranges::any_of(std::array{"auth", "pass", "secret"},
                             [&](const char* word) { return lower.find(word) != npos; });
}

// Where the value of a password begins on the line, behind its ':'; npos: there is none. A ':' of
// an address is followed by a digit.
size_t password_on(std::string_view line) {
  for (size_t colon = line.find(':'); colon != npos; colon = line.find(':', colon + 1)) {
    const char next = colon + 1 < line.size() ? line[colon + 1] : ' ';
    if (next != ' ' && next != '\t' && next != '\r' && next != '"' && next != '\'') continue;
    const size_t key = line.find_last_of(" \t{,", colon == 0 ? 0 : colon - 1);
    const size_t begin = key == npos ? 0 : key + 1;
    if (begin < colon && looks_like_password(line.substr(begin, colon - begin))) return colon + 1;
  }
  return npos;
}

}  // namespace

std::string without_passwords(std::string_view yaml) {
  std::string shown;
  size_t inside = npos;  // the indentation of the key whose value goes on, perhaps
  while (true) {
    const size_t end = yaml.find('\n');
    const std::string_view line = yaml.substr(0, end);
    const size_t indentation = std::min(line.find_first_not_of(" \t\r"), line.size());
    const bool blank = indentation == line.size();
    if (!blank && inside != npos && indentation <= inside) inside = npos;
    if (inside != npos && !blank) {
      shown.append(line.substr(0, indentation)).append(kMask);
    } else if (const size_t value = password_on(line); value != npos) {
      inside = indentation;
      shown.append(line.substr(0, value)).append(1, ' ').append(kMask);
    } else {
      shown.append(line);
    }
    if (end == npos) return shown;
    shown += '\n';
    yaml.remove_prefix(end + 1);
  }
}

}  // namespace quorate::config
