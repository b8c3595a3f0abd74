#include "proxy/cli/reload_command.h"

#include <chrono>
#include <ostream>

#include <nlohmann/json.hpp>

#include "proxy/admin/token.h"
#include "proxy/cli/blocking_socket.h"
#include "proxy/cli/exit_code.h"
#include "proxy/config/address.h"

namespace quorate::cli {

namespace {

constexpr base::Duration kPatience = std::chrono::seconds(30);
constexpr size_t kLongestLine = 8192;
constexpr size_t kLongestBody = size_t{16} << 20;

struct Answer {
  std::string problem;  // not empty: there was none
  int status = 0;
  std::string body;
};

Answer post(const config::Address& address, const std::string& path, const std::string& token) {
  auto connected = BlockingSocket::connect(address, kPatience);
  if (!connected.ok()) return {.problem = connected.error()};
  BlockingSocket socket = std::move(connected).value();
  Answer answer;
  answer.problem =
      socket.send("POST " + path + " HTTP/1.1\r\nHost: quorate\r\nAuthorization: Bearer " + token +
                  "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  std::string line;
  if (answer.problem.empty()) answer.problem = socket.receive_line(kLongestLine, line);
  if (!answer.problem.empty()) return answer;
  if (line.size() >= 12) answer.status = std::atoi(line.substr(9, 3).c_str());
  size_t length = 0;
  while (true) {
    line.clear();
    answer.problem = socket.receive_line(kLongestLine, line);
    if (!answer.problem.empty()) return answer;
    if (line.empty()) break;
    constexpr std::string_view kLength = "Content-Length: ";
    if (line.starts_with(kLength))
      length = std::strtoull(line.c_str() + kLength.size(), nullptr, 10);
  }
  answer.problem = socket.receive(std::min(length, kLongestBody), answer.body);
  return answer;
}

}  // namespace

int run_reload(const ReloadOptions& options, std::ostream& out, std::ostream& err) {
  const auto address = config::parse_address(options.admin);
  if (!address.ok()) {
    err << "quorate: --admin " << options.admin << ": " << address.error() << "\n";
    return kExitUsage;
  }
  const auto token = admin::read_token(address.value().port);
  if (!token.ok()) {
    err << "quorate: no token for " << options.admin
        << " (is it running, as this user?): " << token.error() << "\n";
    return kExitUnreachable;
  }
  const Answer answer = post(address.value(), "/api/v1/reload", token.value());
  if (!answer.problem.empty()) {
    err << "quorate: " << options.admin << ": " << answer.problem << "\n";
    return kExitUnreachable;
  }
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.status == 401 || body.is_discarded() || !body.contains("ok")) {
    err << "quorate: " << options.admin << " answered " << answer.status << ": " << answer.body
        << "\n";
    return kExitFailed;
  }
  err << body["diagnostics"].get<std::string>();
  if (!body["ok"].get<bool>()) {
    err << "quorate: nothing was changed\n";
    return kExitConfiguration;
  }
  for (const auto& change : body["changes"]) out << change.get<std::string>() << "\n";
  if (body["changes"].empty()) err << "no changes\n";
  return kExitOk;
}

}  // namespace quorate::cli
