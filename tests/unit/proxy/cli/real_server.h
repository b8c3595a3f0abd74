// A real redis-server or memcached as a child of the test, on a unix socket in a folder of its own:
// no port that could be taken. And a stand-in where the real one cannot be had. Ends with the
// object, and with the test program if that dies first.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace quorate::cli::testing {

/// A folder below the system's temporary one, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

class RealServer {
 public:
  /// Starts `command` and waits until `socket` accepts; fails the test when it does not.
  RealServer(std::vector<std::string> command, std::string socket);
  ~RealServer();
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  const std::string& socket() const { return socket_; }
  void freeze() const;
  void thaw() const;

 private:
  std::string socket_;
  pid_t child_ = -1;
};

/// Listens on a free port of 127.0.0.1, lets clients connect, and never says a word.
class SilentListener {
 public:
  SilentListener();
  ~SilentListener();
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  std::string port() const;

 private:
  int descriptor_ = -1;
};

/// A port of 127.0.0.1 on which nobody listens at the moment.
std::string free_port();

RealServer start_redis(const TemporaryFolder& folder, const std::string& name,
                       const std::vector<std::string>& options = {});
RealServer start_memcached(const TemporaryFolder& folder, const std::string& name);

/// What a memcached with SASL says to SASL PLAIN and to version, in the binary protocol: the real
/// one needs a database of users and a plug-in. Serves until the object ends, one client at a time.
class FakeSaslMemcached {
 public:
  /// `credentials` as SASL PLAIN sends them: NUL, user, NUL, password.
  FakeSaslMemcached(std::string socket, std::string credentials);
  ~FakeSaslMemcached();
  FakeSaslMemcached(const FakeSaslMemcached&) = delete;
  FakeSaslMemcached& operator=(const FakeSaslMemcached&) = delete;

  const std::string& socket() const { return socket_; }

 private:
  void serve(int client) const;

  std::string socket_;
  std::string credentials_;
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace quorate::cli::testing
