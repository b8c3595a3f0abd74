#include "proxy/cli/playground_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "backends/wire/resp_write.h"
#include "proxy/cli/blocking_socket.h"
#include "proxy/cli/child.h"
#include "proxy/cli/exit_code.h"
#include "proxy/cli/ring_command.h"
#include "proxy/process/ready_file.h"

namespace quorate::cli {

namespace {

using namespace std::chrono_literals;

constexpr int kServers = 3;  // of each kind
constexpr auto kPatience = 10s;

volatile std::sig_atomic_t asked_to_stop = 0;

struct Server {
  uint16_t port;
  pid_t pid;
};

// A folder for logs and the configuration; removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "quorate-playground-XXXXXX");
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Playground {
 public:
  Playground(const PlaygroundOptions& options, std::ostream& out, std::ostream& err)
      : options_(options), out_(out), err_(err) {}

  bool start() {
    if (folder_.path().empty()) return fail("cannot make a temporary folder");
    next_port_ = 6371;
    for (int i = 0; i < kServers; ++i) {
      if (!start_redis()) return false;
    }
    next_port_ = 11211;
    for (int i = 0; i < kServers; ++i) {
      if (!start_memcached()) return false;
    }
    for (const Server& server : redis_) {
      if (!wait_for(server.port)) return fail("redis-server does not answer");
    }
    for (const Server& server : memcached_) {
      if (!wait_for(server.port)) return fail("memcached does not answer");
    }
    return start_proxy();
  }

  bool show();
  void print_json() const { out_ << facts().dump(2) << "\n"; }
  bool write_ready_file() {
    if (options_.ready_file.empty()) return true;
    const std::string why = process::write_ready_file(options_.ready_file, facts().dump() + "\n");
    return why.empty() || fail("cannot write the ready file " + options_.ready_file + ": " + why);
  }

  /// Until Ctrl-C, or until the proxy ends by itself.
  int wait() {
    while (asked_to_stop == 0) {
      if (!children_.back().runs()) {
        fail("the proxy ended by itself; its log said:");
        err_ << std::ifstream(folder_.path() + "/quorate.log").rdbuf();
        return kExitFailed;
      }
      std::this_thread::sleep_for(50ms);
    }
    children_.back().end(5000);  // the proxy first, so that it does not miss its backends
    return kExitOk;
  }

 private:
  bool fail(const std::string& why) {
    err_ << "quorate playground: " << why << "\n";
    return false;
  }

  uint16_t take_port() {
    const uint16_t port = free_port(next_port_);
    next_port_ = static_cast<uint16_t>(port + 1);
    return port;
  }

  bool start_child(const std::vector<std::string>& command, const std::string& log) {
    auto child = Child::start(command, folder_.path() + "/" + log);
    if (!child.ok()) return fail(child.error() + " (make deps installs what is needed)");
    children_.push_back(std::move(child).value());
    return true;
  }

  bool start_redis() {
    const uint16_t port = take_port();
    const std::string text = std::to_string(port);
    if (!start_child({"redis-server", "--port", text, "--bind", "127.0.0.1", "--save", "",
                      "--appendonly", "no", "--dir", folder_.path()},
                     "redis-" + text + ".log")) {
      return false;
    }
    redis_.push_back({port, children_.back().pid()});
    return true;
  }

  bool start_memcached() {
    const uint16_t port = take_port();
    const std::string text = std::to_string(port);
    std::vector<std::string> command = {"memcached", "-l", "127.0.0.1", "-p", text, "-U", "0"};
    if (::geteuid() == 0) command.insert(command.end(), {"-u", "root"});
    if (!start_child(command, "memcached-" + text + ".log")) return false;
    memcached_.push_back({port, children_.back().pid()});
    return true;
  }

  bool start_proxy() {
    next_port_ = 6380;
    redis_port_ = take_port();
    next_port_ = 11311;
    memcached_port_ = take_port();
    next_port_ = 9180;
    admin_port_ = take_port();
    config_file_ = folder_.path() + "/quorate.toml";
    std::ofstream config(config_file_);
    const auto pool = [&config](const char* name, const char* protocol, uint16_t port,
                                const std::vector<Server>& servers) {
      config << "[pool." << name << "]\nprotocol = \"" << protocol
             << "\"\nlisten = \"127.0.0.1:" << port << "\"\nbackends = [";
      for (size_t i = 0; i < servers.size(); ++i) {
        config << (i == 0 ? "" : ", ") << "\"127.0.0.1:" << servers[i].port << "\"";
      }
      config << "]\n\n";
    };
    config << "[admin]\nlisten = \"127.0.0.1:" << admin_port_ << "\"\n\n";
    pool("cache", "redis", redis_port_, redis_);
    pool("pages", "memcached", memcached_port_, memcached_);
    config.close();
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const std::string ready = folder_.path() + "/ready.json";
    if (!start_child({self, "run", "--config", config_file_, "--ready-file", ready},
                     "quorate.log")) {
      return false;
    }
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!std::filesystem::exists(ready) || !ask_ready()) {
      if (!children_.back().runs() || std::chrono::steady_clock::now() > until) {
        fail("the proxy did not get ready; its log said:");
        err_ << std::ifstream(folder_.path() + "/quorate.log").rdbuf();
        return false;
      }
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }

  static config::Address loopback(uint16_t port) { return {"127.0.0.1", port, ""}; }

  bool wait_for(uint16_t port) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (BlockingSocket::connect(loopback(port), 1s).ok()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  bool ask_ready() const {
    auto socket = BlockingSocket::connect(loopback(admin_port_), 1s);
    if (!socket.ok()) return false;
    std::string line;
    BlockingSocket connection = std::move(socket).value();
    return connection.send("GET /readyz HTTP/1.0\r\n\r\n").empty() &&
           connection.receive_line(1024, line).empty() && line.find(" 200 ") != std::string::npos;
  }

  /// Sends `bytes` to the proxy and prints the `lines` lines it answers.
  bool converse(uint16_t port, const std::string& shown, const std::string& bytes, int lines);

  nlohmann::ordered_json facts() const {
    const auto list = [](const std::vector<Server>& servers) {
      auto array = nlohmann::ordered_json::array();
      for (const Server& server : servers) {
        array.push_back(
            {{"address", "127.0.0.1:" + std::to_string(server.port)}, {"pid", server.pid}});
      }
      return array;
    };
    nlohmann::ordered_json json;
    json["redis"] = "127.0.0.1:" + std::to_string(redis_port_);
    json["memcached"] = "127.0.0.1:" + std::to_string(memcached_port_);
    json["admin"] = "http://127.0.0.1:" + std::to_string(admin_port_);
    json["config"] = config_file_;
    json["proxy_pid"] = children_.back().pid();
    json["redis_servers"] = list(redis_);
    json["memcached_servers"] = list(memcached_);
    return json;
  }

  const PlaygroundOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  Folder folder_;
  std::vector<Server> redis_;
  std::vector<Server> memcached_;
  std::vector<Child> children_;  // the proxy last; ended from the back
  uint16_t next_port_ = 0;
  uint16_t redis_port_ = 0;
  uint16_t memcached_port_ = 0;
  uint16_t admin_port_ = 0;
  std::string config_file_;
};

bool Playground::converse(uint16_t port, const std::string& shown, const std::string& bytes,
                          int lines) {
  auto connected = BlockingSocket::connect(loopback(port), 2s);
  if (!connected.ok()) return fail(connected.error());
  BlockingSocket socket = std::move(connected).value();
  std::string problem = socket.send(bytes);
  out_ << "  > " << shown << "\n";
  for (int i = 0; i < lines && problem.empty(); ++i) {
    std::string line;
    problem = socket.receive_line(4096, line);
    if (problem.empty()) out_ << "    " << line << "\n";
  }
  return problem.empty() || fail(problem);
}

bool Playground::show() {
  const auto row = [this](const char* name, uint16_t port, const std::vector<Server>& servers) {
    out_ << "  " << name << " 127.0.0.1:" << port << "  in front of";
    for (const Server& server : servers) out_ << " :" << server.port;
    out_ << "\n";
  };
  out_ << "quorate playground\n\n";
  row("redis    ", redis_port_, redis_);
  row("memcached", memcached_port_, memcached_);
  out_ << "  admin     http://127.0.0.1:" << admin_port_ << "/readyz?verbose\n\n";

  std::string set;
  std::string get;
  wire::append_command(set, {"SET", "greeting", "hello"});
  wire::append_command(get, {"GET", "greeting"});
  out_ << "A command through each:\n";
  const bool shown =
      converse(redis_port_, "SET greeting hello", set, 1) &&
      converse(redis_port_, "GET greeting", get, 2) &&
      converse(memcached_port_, "set greeting 0 0 5", "set greeting 0 0 5\r\nhello\r\n", 1) &&
      converse(memcached_port_, "get greeting", "get greeting\r\n", 3);
  if (!shown) return false;
  const std::string redis = std::to_string(redis_port_);
  const std::string memcached = std::to_string(memcached_port_);
  const std::string admin = std::to_string(admin_port_);
  out_ << "\nTry next:\n"
       << "  redis-cli -p " << redis << " MSET a 1 b 2 c 3\n"
       << "  redis-cli -p " << redis << " MGET a b c\n"
       << "  redis-benchmark -p " << redis << " -t get,set -n 100000 -P 16 -q\n"
       << "  memccat --servers=127.0.0.1:" << memcached << " greeting\n"
       << "  " << options_.program << " ring where greeting --config " << config_file_ << "\n"
       << "  kill -9 " << redis_.front().pid << "        # one redis-server: only its keys fail\n"
       << "  curl -s http://127.0.0.1:" << admin << "/api/v1/status\n\n"
       << "Ctrl-C ends everything.\n";
  out_.flush();
  return true;
}

}  // namespace

int run_playground(const PlaygroundOptions& options, std::ostream& out, std::ostream& err) {
  const auto stop = [](int) { asked_to_stop = 1; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  std::signal(SIGPIPE, SIG_IGN);
  Playground playground(options, out, err);
  if (!playground.start()) return kExitFailed;
  if (options.json) {
    playground.print_json();
    out.flush();
  } else if (!playground.show()) {
    return kExitFailed;
  }
  if (!playground.write_ready_file()) return kExitFailed;
  return playground.wait();
}

}  // namespace quorate::cli
