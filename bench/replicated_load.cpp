// replicated_load: a closed loop of SET on N connections, each with or without a WAIT behind it,
// for bench/quorum:
//
//   replicated_load --host A --port P --connections N --requests N --keys N --value-size BYTES
//                   [--wait REPLICAS]
//
// One thread, one epoll. A connection sends SET (and WAIT, in one write), waits for the replies and
// sends the next. Prints "sets-per-second p50 p99", the latencies in microseconds. Any reply but
// +OK and, of WAIT, as many replicas as were asked for, ends the program with exit code 1: what it
// measured would be something else. Keys are those of redis-benchmark, picked at random from a
// fixed seed. Not a general tool: no pipelining, no reconnecting.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "replicated_load: %s\n", why.c_str());
  std::exit(1);
}

class Options {
 public:
  Options(int count, char** words) {
    for (int i = 1; i + 1 < count; i += 2) given_[words[i]] = words[i + 1];
  }
  std::string text(const std::string& name) const {
    const auto found = given_.find(name);
    if (found == given_.end()) fail(name + " is needed");
    return found->second;
  }
  uint32_t figure(const std::string& name) const {
    const int value = std::atoi(text(name).c_str());
    if (value <= 0) fail(name + " needs a number");
    return static_cast<uint32_t>(value);
  }
  bool has(const std::string& name) const { return given_.contains(name); }

 private:
  std::map<std::string, std::string> given_;
};

int connect_to(const Options& options) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options.figure("--port")));
  const bool known = ::inet_pton(AF_INET, options.text("--host").c_str(), &address.sin_addr) == 1;
  if (descriptor < 0 || !known ||
      ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect");
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

class Loop {
 public:
  explicit Loop(const Options& options)
      : requests_(options.figure("--requests")),
        keys_(options.figure("--keys")),
        value_(options.figure("--value-size"), 'x'),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    expected_ = "+OK\r\n";
    if (options.has("--wait")) {
      const std::string replicas = options.text("--wait");
      wait_ = "WAIT " + replicas + " 0\r\n";
      expected_ += ":" + replicas + "\r\n";
    }
    latencies_.reserve(requests_);
    connections_.resize(options.figure("--connections"));
    for (uint32_t i = 0; i < connections_.size(); ++i) {
      connections_[i].descriptor = connect_to(options);
      epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].descriptor, &event);
    }
  }

  void run() {
    const auto start = Clock::now();
    for (Connection& connection : connections_) ask(connection);
    epoll_event events[256];
    while (latencies_.size() < requests_) {
      const int count = ::epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) take(connections_[events[i].data.u32]);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("%.0f %.1f %.1f\n", static_cast<double>(latencies_.size()) / seconds,
                percentile(0.50), percentile(0.99));
  }

 private:
  struct Connection {
    int descriptor = -1;
    Clock::time_point asked{};
    std::string reply{};
  };

  void ask(Connection& connection) {
    if (asked_ == requests_) return;
    ++asked_;
    char key[32];
    std::snprintf(key, sizeof key, "key:%012u", static_cast<unsigned>(random_() % keys_));
    command_ = "*3\r\n$3\r\nSET\r\n$16\r\n";
    command_.append(key).append("\r\n$").append(std::to_string(value_.size())).append("\r\n");
    command_.append(value_).append("\r\n").append(wait_);
    connection.asked = Clock::now();
    // A command is far smaller than an empty socket buffer.
    if (::send(connection.descriptor, command_.data(), command_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command_.size())) {
      fail("a connection does not take a command");
    }
  }

  void take(Connection& connection) {
    char buffer[4096];
    const ssize_t count = ::recv(connection.descriptor, buffer, sizeof buffer, 0);
    if (count <= 0) fail("a connection was closed");
    connection.reply.append(buffer, static_cast<size_t>(count));
    if (!expected_.starts_with(connection.reply)) {
      fail("unexpected reply: " + connection.reply.substr(0, 80));
    }
    if (connection.reply.size() < expected_.size()) return;
    connection.reply.clear();
    latencies_.push_back(std::chrono::duration<double>(Clock::now() - connection.asked).count());
    ask(connection);
  }

  double percentile(double part) {
    const auto nth = latencies_.begin() +
                     static_cast<ptrdiff_t>(part * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), nth, latencies_.end());
    return *nth * 1e6;
  }

  const size_t requests_;
  const uint32_t keys_;
  const std::string value_;
  const int epoll_;
  std::string wait_;
  std::string expected_;
  std::vector<Connection> connections_;
  std::vector<double> latencies_;  // seconds
  std::mt19937 random_{42};
  size_t asked_ = 0;
  std::string command_;
};

}  // namespace

int main(int count, char** words) { Loop(Options(count, words)).run(); }
