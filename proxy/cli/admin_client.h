// Asks a running proxy through its admin port, and waits for the answer. For commands.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace quorate::cli {

struct AdminAnswer {
  int exit_code = 0;  ///< kExitUsage or kExitUnreachable: there was no answer, and why was said
  int status = 0;
  nlohmann::ordered_json body;  ///< discarded: it was no JSON
  std::string text;             ///< the same, as it came
};

/// `admin`: its address. Says on `err` why there is no answer.
AdminAnswer admin_get(const std::string& admin, const std::string& path, std::ostream& err);
/// With the token that the proxy has left for its user.
AdminAnswer admin_post(const std::string& admin, const std::string& path, const std::string& body,
                       std::ostream& err);

}  // namespace quorate::cli
