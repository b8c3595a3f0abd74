// memcached_load: a closed loop of get or set on N connections, for the side-by-side benchmark:
//
//   memcached_load (--port P | --unix PATH) --operation get|set --connections N --requests N
//                  --keys N --value-size BYTES
//
// One thread, one epoll. A connection sends one command, waits for the whole reply, and sends the
// next. Prints "requests-per-second p50 p99", the latencies in microseconds. A get that misses or
// any reply but the expected one ends the program with exit code 1: what it measured would be
// something else. Keys are those of redis-benchmark, "key:000000000042", picked at random from a
// fixed seed. Not a general tool: no pipelining, no binary protocol, no reconnecting.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "memcached_load: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  uint16_t port = 0;
  std::string unix_path;
  bool is_set = false;
  size_t connections = 50;
  size_t requests = 100000;
  uint32_t keys = 10000;
  size_t value_size = 100;
};

size_t number_of(const std::string& name, std::string_view text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) {
    fail(name + " needs a number");
  }
  return value;
}

Options read_options(int count, char** words) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < count; i += 2) given[words[i]] = words[i + 1];
  Options options;
  for (const auto& [name, text] : given) {
    if (name == "--port") {
      options.port = static_cast<uint16_t>(number_of(name, text));
    } else if (name == "--unix") {
      options.unix_path = text;
    } else if (name == "--operation") {
      options.is_set = text == "set";
    } else if (name == "--connections") {
      options.connections = number_of(name, text);
    } else if (name == "--requests") {
      options.requests = number_of(name, text);
    } else if (name == "--keys") {
      options.keys = static_cast<uint32_t>(number_of(name, text));
    } else if (name == "--value-size") {
      options.value_size = number_of(name, text);
    } else {
      fail("unknown option " + name);
    }
  }
  if (options.port == 0 && options.unix_path.empty()) fail("--port or --unix is needed");
  return options;
}

int connect_to(const Options& options) {
  const bool tcp = options.unix_path.empty();
  const int descriptor = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("no socket");
  int status = 0;
  if (tcp) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    status = ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.unix_path.size() >= sizeof address.sun_path) fail("path too long");
    std::memcpy(address.sun_path, options.unix_path.data(), options.unix_path.size());
    status = ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  if (status != 0) fail("cannot connect");
  return descriptor;
}

/// Sends commands on many connections and takes the time of each reply.
class Loop {
 public:
  explicit Loop(const Options& options)
      : options_(options), value_(options.value_size, 'x'), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    latencies_.reserve(options.requests);
    for (size_t i = 0; i < options.connections; ++i) {
      connections_.push_back({.descriptor = connect_to(options)});
    }
    for (uint32_t i = 0; i < connections_.size(); ++i) {
      epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].descriptor, &event);
    }
  }

  void run() {
    const auto start = Clock::now();
    for (Connection& connection : connections_) ask(connection);
    epoll_event events[256];
    while (latencies_.size() < options_.requests) {
      const int count = ::epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) take_reply(connections_[events[i].data.u32]);
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  void print() {
    std::printf("%.0f %.1f %.1f\n", static_cast<double>(latencies_.size()) / seconds_,
                percentile(0.50), percentile(0.99));
  }

 private:
  struct Connection {
    int descriptor = -1;
    Clock::time_point asked{};
    std::string key{};
    size_t expected = 0;  // bytes of the reply
    std::string reply{};
  };

  void ask(Connection& connection) {
    if (asked_ == options_.requests) return;
    ++asked_;
    char key[32];
    std::snprintf(key, sizeof key, "key:%012u", static_cast<unsigned>(random_() % options_.keys));
    connection.key = key;
    command_.clear();
    if (options_.is_set) {
      command_.append("set ").append(key).append(" 0 0 ");
      command_.append(std::to_string(value_.size())).append("\r\n").append(value_).append("\r\n");
      connection.expected = kStored.size();
    } else {
      command_.append("get ").append(key).append("\r\n");
      connection.expected = hit_head(connection).size() + value_.size() + kHitTail.size();
    }
    connection.reply.clear();
    connection.asked = Clock::now();
    // A command is far smaller than an empty socket buffer.
    if (::send(connection.descriptor, command_.data(), command_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command_.size())) {
      fail("a connection does not take a command");
    }
  }

  void take_reply(Connection& connection) {
    char buffer[16384];
    const ssize_t count = ::recv(connection.descriptor, buffer, sizeof buffer, 0);
    if (count <= 0) fail("a connection was closed");
    connection.reply.append(buffer, static_cast<size_t>(count));
    if (connection.reply.size() < connection.expected && !ends_early(connection)) return;
    const auto taken = Clock::now() - connection.asked;
    latencies_.push_back(
        static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count()));
    check(connection);
    ask(connection);
  }

  std::string hit_head(const Connection& connection) const {
    return "VALUE " + connection.key + " 0 " + std::to_string(value_.size()) + "\r\n";
  }
  // A miss or an error is shorter than what is waited for.
  static bool ends_early(const Connection& connection) {
    return !connection.reply.starts_with("VALUE ") && connection.reply.ends_with("\r\n");
  }
  void check(const Connection& connection) const {
    const std::string_view reply = connection.reply;
    const bool good = options_.is_set ? reply == kStored
                                      : reply.size() == connection.expected &&
                                            reply.starts_with(hit_head(connection)) &&
                                            reply.ends_with(kHitTail);
    if (!good) fail("unexpected reply: " + connection.reply.substr(0, 80));
  }

  double percentile(double part) {
    const auto nth = latencies_.begin() +
                     static_cast<ptrdiff_t>(part * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), nth, latencies_.end());
    return *nth / 1000.0;
  }

  static constexpr std::string_view kStored = "STORED\r\n";
  static constexpr std::string_view kHitTail = "\r\nEND\r\n";

  const Options options_;
  const std::string value_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> latencies_;  // nanoseconds
  std::mt19937 random_{42};
  size_t asked_ = 0;
  std::string command_;
  double seconds_ = 0;
};

}  // namespace

int main(int count, char** words) {
  Loop loop(read_options(count, words));
  loop.run();
  loop.print();
}
