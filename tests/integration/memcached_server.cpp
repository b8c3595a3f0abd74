#include "tests/integration/memcached_server.h"

#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace quorate::test {

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::abort();
}

int try_connect(const std::string& path) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

}  // namespace

MemcachedServer::MemcachedServer() {
  char folder[] = "/tmp/memcached-test-XXXXXX";
  if (mkdtemp(folder) == nullptr) fail("mkdtemp");
  folder_ = folder;
  path_ = folder_ + "/socket";
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // the test died before the line above
    const passwd* user = getpwuid(geteuid());
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    // No background threads: a number that one of them looks at grows by a copy instead of in
    // place, and then loses the blanks behind it.
    execlp("memcached", "memcached", "-s", path_.c_str(), "-u", user->pw_name, "-t", "1", "-o",
           "no_lru_maintainer,no_lru_crawler", static_cast<char*>(nullptr));
    _exit(127);
  }
  while (true) {
    const int descriptor = try_connect(path_);
    if (descriptor >= 0) {
      close(descriptor);
      return;
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) fail("memcached did not start");
    poll(nullptr, 0, 1);
  }
}

MemcachedServer::~MemcachedServer() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  unlink(path_.c_str());
  rmdir(folder_.c_str());
}

int MemcachedServer::connect() const {
  const int descriptor = try_connect(path_);
  if (descriptor < 0) fail("connect");
  return descriptor;
}

std::string MemcachedServer::say(std::string_view bytes) const {
  const int descriptor = connect();
  send_all(descriptor, bytes);
  shutdown(descriptor, SHUT_WR);
  std::string reply;
  while (receive(descriptor, reply)) continue;
  close(descriptor);
  return reply;
}

void send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server hung up: what it said before is still to be read
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool receive(int descriptor, std::string& bytes) {
  pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, 10'000) != 1) fail("no reply within ten seconds");
  char buffer[65536];
  const ssize_t count = recv(descriptor, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  bytes.append(buffer, static_cast<size_t>(count));
  return true;
}

}  // namespace quorate::test
