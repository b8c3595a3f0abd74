#include "proxy/cli/blocking_socket.h"
#include "proxy/cli/inspect_backend.h"

namespace quorate::cli {
namespace {

constexpr size_t kLongestAnswer = 1024;

// The binary protocol, of which two commands are enough here.
constexpr size_t kHeader = 24;
constexpr unsigned char kRequest = 0x80;
constexpr unsigned char kResponse = 0x81;
constexpr unsigned char kVersion = 0x0B;
constexpr unsigned char kSaslAuth = 0x21;
constexpr unsigned kStatusOk = 0x00;
constexpr unsigned kStatusRefused = 0x20;
constexpr unsigned kStatusUnknownCommand = 0x81;

struct Answer {
  std::string problem;  // of the connection; then the rest means nothing
  unsigned status = 0;
  std::string value;
};

Answer ask(BlockingSocket& socket, unsigned char opcode, std::string_view key,
           std::string_view value) {
  std::string request(kHeader, '\0');
  const size_t body = key.size() + value.size();
  request[0] = static_cast<char>(kRequest);
  request[1] = static_cast<char>(opcode);
  request[3] = static_cast<char>(key.size());
  request[10] = static_cast<char>(body >> 8);
  request[11] = static_cast<char>(body);
  request.append(key).append(value);

  Answer answer;
  std::string header;
  answer.problem = socket.send(request);
  if (answer.problem.empty()) answer.problem = socket.receive(kHeader, header);
  if (!answer.problem.empty()) return answer;
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(header[i]));
  };
  const size_t size = byte(8) << 24 | byte(9) << 16 | byte(10) << 8 | byte(11);
  if (byte(0) != kResponse || byte(1) != opcode || size > kLongestAnswer) {
    answer.problem = "the answer is not memcached's binary protocol";
    return answer;
  }
  answer.status = static_cast<unsigned>(byte(6) << 8 | byte(7));
  answer.problem = socket.receive(size, answer.value);
  return answer;
}

// SASL exists in the binary protocol only.
Inspection inspect_binary(BlockingSocket& socket, const config::BackendSettings& backend) {
  Inspection inspection;
  const std::string nul(1, '\0');
  const Answer login = ask(socket, kSaslAuth, "PLAIN", nul + backend.user + nul + backend.password);
  if (!login.problem.empty()) {
    inspection.problem = "SASL: " + login.problem;
  } else if (login.status == kStatusUnknownCommand) {
    inspection.problem = "SASL: is not enabled there";
  } else if (login.status == kStatusRefused) {
    inspection.problem = "SASL: user or password refused";
  } else if (login.status != kStatusOk) {
    inspection.problem = "SASL: " + login.value;
  }
  if (!inspection.ok()) return inspection;
  const Answer version = ask(socket, kVersion, "", "");
  inspection.problem =
      version.problem.empty() && version.status != kStatusOk ? version.value : version.problem;
  if (inspection.ok()) inspection.version = version.value;
  return inspection;
}

Inspection inspect_text(BlockingSocket& socket) {
  constexpr std::string_view kAnswer = "VERSION ";
  Inspection inspection;
  std::string line;
  inspection.problem = socket.send("version\r\n");
  if (inspection.ok()) inspection.problem = socket.receive_line(kLongestAnswer, line);
  if (!inspection.ok()) {
    inspection.problem = "version: " + inspection.problem;
  } else if (line.starts_with(kAnswer)) {
    inspection.version = line.substr(kAnswer.size());
  } else {
    inspection.problem = "version: " + line;
  }
  return inspection;
}

}  // namespace

Inspection inspect_memcached(const config::BackendSettings& backend, base::Duration timeout) {
  auto socket = BlockingSocket::connect(backend.address, timeout);
  if (!socket) {
    Inspection inspection;
    inspection.problem = "cannot connect: " + socket.error();
    return inspection;
  }
  return backend.user.empty() ? inspect_text(socket.value())
                              : inspect_binary(socket.value(), backend);
}

}  // namespace quorate::cli
