#include "tests/unit/proxy/cli/real_server.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

namespace quorate::cli::testing {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool accepts(const std::string& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  const bool connected =
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return connected;
}

[[noreturn]] void become(const std::vector<std::string>& command) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (int descriptor : {0, 1, 2}) ::dup2(nothing, descriptor);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "quorate-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name, std::ios::binary) << text;
}

RealServer::RealServer(std::vector<std::string> command, std::string socket)
    : socket_(std::move(socket)) {
  child_ = ::fork();
  REQUIRE(child_ >= 0);
  if (child_ == 0) become(command);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!accepts(socket_)) {
    int status = 0;
    const bool ended = ::waitpid(child_, &status, WNOHANG) == child_;
    if (ended) child_ = -1;
    REQUIRE_MESSAGE(!ended, command[0] << " does not start; `make deps-test` installs it");
    REQUIRE(std::chrono::steady_clock::now() < give_up);
    std::this_thread::yield();
  }
}

RealServer::~RealServer() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

void RealServer::freeze() const {
  ::kill(child_, SIGSTOP);
  int status = 0;
  ::waitpid(child_, &status, WUNTRACED);
  REQUIRE(WIFSTOPPED(status));
}

void RealServer::thaw() const { ::kill(child_, SIGCONT); }

SilentListener::SilentListener() {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(descriptor_, 8) == 0);
}

SilentListener::~SilentListener() { ::close(descriptor_); }

std::string SilentListener::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return std::to_string(ntohs(address.sin_port));
}

std::string free_port() { return SilentListener().port(); }

RealServer start_redis(const TemporaryFolder& folder, const std::string& name,
                       const std::vector<std::string>& options) {
  const std::string socket = folder.path(name);
  std::vector<std::string> command{"redis-server", "--port", "0",     "--unixsocket", socket,
                                   "--save",       "",       "--dir", folder.path("")};
  command.insert(command.end(), options.begin(), options.end());
  return RealServer(std::move(command), socket);
}

RealServer start_memcached(const TemporaryFolder& folder, const std::string& name) {
  const std::string socket = folder.path(name);
  return RealServer({"memcached", "-u", "root", "-a", "0777", "-s", socket}, socket);
}

FakeSaslMemcached::FakeSaslMemcached(std::string socket, std::string credentials)
    : socket_(std::move(socket)), credentials_(std::move(credentials)) {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(socket_);
  REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener_, 8) == 0);
  thread_ = std::thread([this] {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      serve(client);
      ::close(client);
    }
  });
}

FakeSaslMemcached::~FakeSaslMemcached() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void FakeSaslMemcached::serve(int client) const {
  std::array<unsigned char, 24> header{};
  while (::recv(client, header.data(), header.size(), MSG_WAITALL) == 24) {
    std::string body(header[10] * 256u + header[11], '\0');
    const auto size = static_cast<ssize_t>(body.size());
    if (size > 0 && ::recv(client, body.data(), body.size(), MSG_WAITALL) != size) return;
    const bool login = header[1] == 0x21;
    const bool refused = login && body != "PLAIN" + credentials_;
    const std::string value = !login ? "1.6.18" : refused ? "Auth failure." : "Authenticated";
    std::string answer(24, '\0');
    answer[0] = '\x81';
    answer[1] = static_cast<char>(header[1]);
    answer[7] = refused ? '\x20' : '\0';
    answer[11] = static_cast<char>(value.size());
    answer += value;
    ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
}

}  // namespace quorate::cli::testing
