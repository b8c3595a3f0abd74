#include "proxy/io/listening_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace quorate::io {

namespace {

using base::Failure;

std::string why(const ListenSpec& spec, int error) {
  return "cannot listen on " + spec.text + ": " + std::strerror(error);
}

int open_socket(const addrinfo& address, bool shared) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd, address.ai_addr, address.ai_addrlen) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

uint16_t port_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

void set_port(addrinfo& address, uint16_t port) {
  if (address.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address.ai_addr)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(address.ai_addr)->sin_port = htons(port);
  }
}

/// True if somebody answers on the socket at `address`.
bool is_alive(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool alive =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return alive;
}

}  // namespace

base::Result<ListeningSocket, std::string> ListeningSocket::bind(const ListenSpec& spec,
                                                                 uint32_t workers) {
  ListeningSocket socket;
  if (!spec.path.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (spec.path.size() >= sizeof address.sun_path) return Failure{why(spec, ENAMETOOLONG)};
    std::memcpy(address.sun_path, spec.path.data(), spec.path.size());
    // A socket that a killed process left behind is removed; one that answers is in use.
    struct stat status {};
    if (::lstat(spec.path.c_str(), &status) == 0) {
      if (!S_ISSOCK(status.st_mode) || is_alive(address)) return Failure{why(spec, EADDRINUSE)};
      ::unlink(spec.path.c_str());
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(spec.path.c_str(), spec.mode) != 0) {
      const int error = errno;
      if (fd >= 0) ::close(fd);
      return Failure{why(spec, error)};
    }
    socket.path_ = spec.path;
    socket.descriptors_.push_back(fd);
    for (uint32_t i = 1; i < workers; ++i) socket.descriptors_.push_back(::dup(fd));
    return socket;
  }

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(spec.port);
  const int status = ::getaddrinfo(spec.host.c_str(), service.c_str(), &hints, &found);
  if (status != 0) return Failure{"cannot listen on " + spec.text + ": " + ::gai_strerror(status)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);

  // Sockets that share a port share it with any other process that asks to: a second proxy would
  // take half of this one's clients unnoticed. So ask first for the port alone.
  const int alone = open_socket(*found, false);
  if (alone < 0) return Failure{why(spec, errno)};
  socket.port_ = port_of(alone);
  ::close(alone);
  set_port(*found, socket.port_);
  for (uint32_t i = 0; i < workers; ++i) {
    const int fd = open_socket(*found, workers > 1);
    if (fd < 0) return Failure{why(spec, errno)};
    socket.descriptors_.push_back(fd);
  }
  return socket;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : descriptors_(std::exchange(other.descriptors_, {})),
      port_(other.port_),
      path_(std::exchange(other.path_, {})) {}

ListeningSocket::~ListeningSocket() {
  for (const int fd : descriptors_) {
    if (fd >= 0) ::close(fd);
  }
  if (!path_.empty()) ::unlink(path_.c_str());
}

int ListeningSocket::take(uint32_t worker) { return std::exchange(descriptors_[worker], -1); }

}  // namespace quorate::io
