#include "backends/redis/redirection.h"

#include "consensus/base/text.h"

namespace quorate::redis {

namespace {

using Kind = Redirection::Kind;

/// "3999 10.0.0.1:6381", "3999 ::1:6381", "3999 :6381"; a host that is not known is "?".
Redirection elsewhere(Kind kind, std::string_view target) {
  const size_t blank = target.find(' ');
  const size_t colon = target.rfind(':');
  if (blank == std::string_view::npos || colon == std::string_view::npos || colon <= blank) {
    return {.kind = Kind::kLater};
  }
  const auto port = base::parse_integer<uint16_t>(target.substr(colon + 1));
  const std::string_view host = target.substr(blank + 1, colon - blank - 1);
  if (!port || host == "?") return {.kind = Kind::kLater};
  return {.kind = kind, .host = host, .port = *port};
}

}  // namespace

Redirection redirection_of(std::string_view reply) {
  const std::string_view error = reply.substr(0, reply.find("\r\n"));
  const auto is = [error](std::string_view code) { return error.substr(1).starts_with(code); };
  if (error.empty()) return {};
  if (is("MOVED ")) return elsewhere(Kind::kMoved, error.substr(7));
  if (is("ASK ")) return elsewhere(Kind::kAsk, error.substr(5));
  if (is("TRYAGAIN ") || is("CLUSTERDOWN ")) return {.kind = Kind::kLater};
  if (is("READONLY ")) return {.kind = Kind::kPrimary};
  if (is("LOADING ") || is("MASTERDOWN ")) return {.kind = Kind::kNotHere};
  return {};
}

}  // namespace quorate::redis
