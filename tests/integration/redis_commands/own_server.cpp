#include "own_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>

#include "backends/wire/resp_reply.h"
#include "backends/wire/resp_tree.h"

namespace quorate::test {
namespace {

int free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(probe);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

pid_t start(int port) {
  const std::string port_text = std::to_string(port);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before it could be watched
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, STDOUT_FILENO);
  execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port_text.c_str(),
         "--save", "", "--dir", "/", nullptr);
  _exit(127);
}

}  // namespace

OwnServer::OwnServer() {
  const int port = free_port();
  process_ = start(port);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    connection_.reset(redisConnect("127.0.0.1", port));
    if (connection_ != nullptr && connection_->err == 0) return;
    const bool is_gone = waitpid(process_, nullptr, WNOHANG) == process_;
    if (is_gone) process_ = 0;
    if (is_gone || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("redis-server does not start");
    }
    poll(nullptr, 0, 10);
  }
}

OwnServer::~OwnServer() {
  if (process_ <= 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

Reply OwnServer::call(const Args& args) { return std::move(call_all(std::span(&args, 1)).front()); }

std::vector<Reply> OwnServer::call_all(std::span<const Args> commands) {
  for (const Args& args : commands) {
    std::vector<const char*> texts;
    std::vector<size_t> sizes;
    for (const std::string& arg : args) {
      texts.push_back(arg.data());
      sizes.push_back(arg.size());
    }
    redisAppendCommandArgv(connection_.get(), static_cast<int>(args.size()), texts.data(),
                           sizes.data());
  }
  std::vector<Reply> replies;
  for (size_t i = 0; i < commands.size(); ++i) {
    void* reply = nullptr;
    if (redisGetReply(connection_.get(), &reply) != REDIS_OK) {
      throw std::runtime_error(std::string("redis-server: ") + connection_->errstr);
    }
    replies.emplace_back(static_cast<redisReply*>(reply));
  }
  return replies;
}

std::string OwnServer::call_raw(const Args& args) {
  std::string request = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    request += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  if (write(connection_->fd, request.data(), request.size()) !=
      static_cast<ssize_t>(request.size())) {
    throw std::runtime_error("redis-server does not read");
  }
  std::string reply;
  while (true) {
    char buffer[16384];
    const ssize_t count = read(connection_->fd, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("redis-server closed the connection");
    reply.append(buffer, static_cast<size_t>(count));
    const auto parsed = wire::parse_resp_tree(reply);
    if (parsed.ok()) return reply;
    if (parsed.error() == wire::RespTreeError::kMalformed) {
      throw std::runtime_error("not RESP2: " + reply);
    }
  }
}

std::string OwnServer::exchange(std::string_view bytes, size_t replies) {
  std::string received;
  size_t scanned = 0;
  wire::ReplyScanner scanner;
  while (replies > 0 || !bytes.empty()) {
    // Both at once: neither side's buffers hold a long pipeline.
    pollfd ready{connection_->fd, static_cast<short>(bytes.empty() ? POLLIN : POLLIN | POLLOUT), 0};
    if (poll(&ready, 1, 20'000) <= 0) throw std::runtime_error("redis-server does not answer");
    if ((ready.revents & POLLOUT) != 0) {
      const ssize_t sent = send(connection_->fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    }
    if ((ready.revents & POLLIN) == 0) continue;
    char buffer[65536];
    const ssize_t count = read(connection_->fd, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("redis-server closed the connection");
    received.append(buffer, static_cast<size_t>(count));
    while (replies > 0 && scanned < received.size()) {
      const char* end = received.data() + received.size();
      const auto progress = scanner.feed(received.data() + scanned, end);
      if (progress.broken) throw std::runtime_error("not RESP: " + received.substr(scanned, 200));
      scanned += progress.consumed;
      if (!progress.done) break;
      scanner.reset();
      --replies;
    }
  }
  return received;
}

}  // namespace quorate::test
