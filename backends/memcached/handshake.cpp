#include "backends/memcached/handshake.h"

#include <array>
#include <string>

#include "backends/wire/memcached_binary.h"

namespace quorate::memcached {

namespace {

using wire::BinaryOpcode;

/// A request without extras: header, key, value.
void append_request(std::string& out, BinaryOpcode opcode, std::string_view key,
                    std::string_view value) {
  std::array<char, wire::kBinaryHeaderBytes> header{};
  const size_t body = key.size() + value.size();
  header[0] = static_cast<char>(wire::kBinaryRequestMagic);
  header[1] = static_cast<char>(opcode);
  header[2] = static_cast<char>(key.size() >> 8);
  header[3] = static_cast<char>(key.size());
  for (size_t i = 0; i < 4; ++i) header[8 + i] = static_cast<char>(body >> (24 - 8 * i));
  out.append(header.data(), header.size()).append(key).append(value);
}

}  // namespace

link::Greeting greeting(link::Flavor flavor, const link::Credentials& credentials) {
  link::Greeting result;
  const bool binary = flavor == link::Flavor::kMemcachedBinary;
  if (!credentials.password.empty()) {
    std::string secret;
    if (binary) {
      secret.append(1, '\0').append(credentials.user).append(1, '\0').append(credentials.password);
      append_request(result.bytes, BinaryOpcode::kSaslAuth, "PLAIN", secret);
    } else {
      secret.append(credentials.user).append(" ").append(credentials.password);
      result.bytes.append("set quorate 0 0 ").append(std::to_string(secret.size()));
      result.bytes.append("\r\n").append(secret).append("\r\n");
    }
    ++result.replies;
  }
  if (binary) {
    append_request(result.bytes, BinaryOpcode::kVersion, {}, {});
  } else {
    result.bytes.append("version\r\n");
  }
  ++result.replies;
  return result;
}

link::GreetingVerdict judge_greeting_reply(link::Flavor flavor, std::string_view reply) {
  link::GreetingVerdict verdict;
  if (flavor == link::Flavor::kMemcachedText) {
    const std::string_view line = reply.substr(0, reply.find("\r\n"));
    constexpr std::string_view kVersion = "VERSION ";
    if (line.starts_with(kVersion)) {
      verdict.server_version = line.substr(kVersion.size());
    } else if (line != "STORED") {
      verdict.refusal = line;
    }
    return verdict;
  }
  const auto header = wire::read_binary_reply_header(reply.data());
  const std::string_view value = reply.substr(wire::kBinaryHeaderBytes);
  if (header.status != wire::BinaryStatusCode::kOk) {
    verdict.refusal = value.empty() ? wire::binary_status_text(header.status) : value;
  } else if (header.opcode == BinaryOpcode::kVersion) {
    verdict.server_version = value;
  }
  return verdict;
}

}  // namespace quorate::memcached
