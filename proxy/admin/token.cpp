#include "proxy/admin/token.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace quorate::admin {

namespace {

using base::Failure;

std::string directory() {
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != 0) {
    return std::string(runtime) + "/quorate";
  }
  if (::geteuid() == 0) return "/run/quorate";
  return "/tmp/quorate-" + std::to_string(::geteuid());
}

std::string why(const std::string& path) { return path + ": " + std::strerror(errno); }

/// Ours alone, or nothing: in /tmp somebody else may have been there first.
bool is_private(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
}

}  // namespace

std::string token_path(uint16_t port) {
  return directory() + "/admin-" + std::to_string(port) + ".token";
}

base::Result<std::string, std::string> create_token(uint16_t port) {
  const std::string folder = directory();
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return Failure{why(folder)};
  if (!is_private(folder)) return Failure{folder + ": not a directory of this user alone"};
  std::array<unsigned char, 24> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return Failure{std::string("no random bytes to be had")};
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : random) {
    token.push_back(kDigits[byte >> 4]);
    token.push_back(kDigits[byte & 15]);
  }
  const std::string path = token_path(port);
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failure{why(path)};
  const bool written =
      ::write(fd, token.data(), token.size()) == static_cast<ssize_t>(token.size());
  ::close(fd);
  if (!written) return Failure{why(path)};
  return token;
}

base::Result<std::string, std::string> read_token(uint16_t port) {
  const std::string path = token_path(port);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return Failure{why(path)};
  std::array<char, 128> bytes{};
  const ssize_t size = ::read(fd, bytes.data(), bytes.size());
  ::close(fd);
  if (size <= 0) return Failure{path + ": no token in it"};
  return std::string(bytes.data(), static_cast<size_t>(size));
}

void remove_token(uint16_t port) { ::unlink(token_path(port).c_str()); }

bool same_token(std::string_view given, std::string_view token) {
  return given.size() == token.size() &&
         CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

}  // namespace quorate::admin
