#include "proxy/cli/blocking_socket.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace quorate::cli {
namespace {

using base::Failure;

timeval timeval_of(base::Duration duration) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return {microseconds / 1'000'000, microseconds % 1'000'000};
}

std::string reason(int error, base::Duration timeout) {
  // The kernel's answers when SO_RCVTIMEO runs out, and when SO_SNDTIMEO does in a connect.
  if (error == EAGAIN || error == EINPROGRESS || error == ETIMEDOUT) {
    return no_answer_within(timeout);
  }
  return std::generic_category().message(error);
}

/// A connected descriptor, or minus the error.
int connect_to(int family, const sockaddr* address, socklen_t size, base::Duration timeout) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  const timeval limit = timeval_of(timeout);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(descriptor, address, size) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  return -error;
}

int connect_unix(const std::string& path, base::Duration timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, timeout);
}

base::Result<int, std::string> connect_tcp(const config::Address& address, base::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int result =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (result != 0) return Failure{std::string(::gai_strerror(result))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  int descriptor = -ECONNREFUSED;
  for (const addrinfo* one = list; one != nullptr && descriptor < 0; one = one->ai_next) {
    descriptor = connect_to(one->ai_family, one->ai_addr, one->ai_addrlen, timeout);
  }
  return descriptor;
}

}  // namespace

std::string no_answer_within(base::Duration timeout) {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  return "no answer within " + std::to_string(limit) + "ms";
}

base::Result<BlockingSocket, std::string> BlockingSocket::connect(const config::Address& address,
                                                                  base::Duration timeout) {
  int descriptor = -1;
  if (address.is_unix()) {
    descriptor = connect_unix(address.path, timeout);
  } else {
    const auto connected = connect_tcp(address, timeout);
    if (!connected) return Failure{connected.error()};
    descriptor = connected.value();
  }
  if (descriptor < 0) return Failure{reason(-descriptor, timeout)};
  return BlockingSocket(descriptor, timeout);
}

BlockingSocket::BlockingSocket(BlockingSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), timeout_(other.timeout_) {}

BlockingSocket::~BlockingSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string BlockingSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return reason(errno, timeout_);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

std::string BlockingSocket::receive(size_t size, std::string& bytes) {
  bytes.resize(size);
  size_t filled = 0;
  while (filled < size) {
    const ssize_t count = ::recv(descriptor_, bytes.data() + filled, size - filled, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return reason(errno, timeout_);
    if (count == 0) return "the connection was closed";
    filled += static_cast<size_t>(count);
  }
  return {};
}

std::string BlockingSocket::receive_line(size_t most, std::string& line) {
  line.clear();
  // Byte by byte: it is one short line of one connection.
  for (std::string byte; !line.ends_with("\r\n"); line += byte) {
    if (line.size() > most) return "the answer is not memcached's";
    if (std::string problem = receive(1, byte); !problem.empty()) return problem;
  }
  line.resize(line.size() - 2);
  return {};
}

}  // namespace quorate::cli
