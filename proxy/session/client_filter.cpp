#include "proxy/session/client_filter.h"

#include <charconv>

namespace quorate::session {

namespace {

void append(std::string& out, unsigned value, int base) {
  char digits[12];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, base);
  static_cast<void>(error);
  out.append(digits, end);
}

}  // namespace

std::string PeerAddress::text(const std::string& local) const {
  std::string out;
  if (ip_bytes == 0) {
    // "unix:/path" as configured, "/path:0" as the server says.
    constexpr std::string_view kUnix = "unix:";
    out = local.starts_with(kUnix) ? local.substr(kUnix.size()) : local;
    return out + ":0";
  }
  if (ip_bytes == 4) {
    for (size_t i = 0; i < 4; ++i) {
      if (i > 0) out.push_back('.');
      append(out, ip[i], 10);
    }
  } else {
    out.push_back('[');
    for (size_t i = 0; i < 16; i += 2) {
      if (i > 0) out.push_back(':');
      append(out, static_cast<unsigned>(ip[i] << 8 | ip[i + 1]), 16);
    }
    out.push_back(']');
  }
  out.push_back(':');
  append(out, port, 10);
  return out;
}

}  // namespace quorate::session
