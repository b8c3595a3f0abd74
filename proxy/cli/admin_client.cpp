#include "proxy/cli/admin_client.h"

#include <algorithm>
#include <chrono>
#include <ostream>

#include "proxy/admin/token.h"
#include "proxy/cli/blocking_socket.h"
#include "proxy/cli/exit_code.h"
#include "proxy/config/address.h"

namespace quorate::cli {

namespace {

constexpr base::Duration kPatience = std::chrono::seconds(30);
constexpr size_t kLongestLine = 8192;
constexpr size_t kLongestBody = size_t{64} << 20;

/// What went wrong, or nothing.
std::string exchange(BlockingSocket& socket, const std::string& request, AdminAnswer& answer) {
  std::string problem = socket.send(request);
  std::string line;
  if (problem.empty()) problem = socket.receive_line(kLongestLine, line);
  if (!problem.empty()) return problem;
  if (line.size() >= 12) answer.status = std::atoi(line.substr(9, 3).c_str());
  size_t length = 0;
  while (true) {
    line.clear();
    problem = socket.receive_line(kLongestLine, line);
    if (!problem.empty()) return problem;
    if (line.empty()) break;
    constexpr std::string_view kLength = "Content-Length: ";
    if (line.starts_with(kLength))
      length = std::strtoull(line.c_str() + kLength.size(), nullptr, 10);
  }
  return socket.receive(std::min(length, kLongestBody), answer.text);
}

AdminAnswer ask(const std::string& admin, const std::string& head, const std::string& body,
                bool with_token, std::ostream& err) {
  AdminAnswer answer;
  const auto address = config::parse_address(admin);
  if (!address.ok()) {
    err << "quorate: --admin " << admin << ": " << address.error() << "\n";
    answer.exit_code = kExitUsage;
    return answer;
  }
  std::string request = head + " HTTP/1.1\r\nHost: quorate\r\n";
  answer.exit_code = kExitUnreachable;
  if (with_token) {
    const auto token = admin::read_token(address.value().port);
    if (!token.ok()) {
      err << "quorate: no token for " << admin
          << " (is it running, as this user?): " << token.error() << "\n";
      return answer;
    }
    request += "Authorization: Bearer " + token.value() + "\r\n";
  }
  request +=
      "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  auto connected = BlockingSocket::connect(address.value(), kPatience);
  std::string problem = connected.ok() ? "" : connected.error();
  if (connected.ok()) {
    BlockingSocket socket = std::move(connected).value();
    problem = exchange(socket, request, answer);
  }
  if (!problem.empty()) {
    err << "quorate: " << admin << ": " << problem << "\n";
    return answer;
  }
  answer.exit_code = kExitOk;
  answer.body = nlohmann::ordered_json::parse(answer.text, nullptr, false);
  return answer;
}

}  // namespace

AdminAnswer admin_get(const std::string& admin, const std::string& path, std::ostream& err) {
  return ask(admin, "GET " + path, {}, false, err);
}

AdminAnswer admin_post(const std::string& admin, const std::string& path, const std::string& body,
                       std::ostream& err) {
  return ask(admin, "POST " + path, body, true, err);
}

}  // namespace quorate::cli
