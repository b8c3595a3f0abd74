// A memcached of one test's own: on a unix socket in a folder of its own, gone with the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace quorate::test {

class MemcachedServer {
 public:
  MemcachedServer();
  MemcachedServer(const MemcachedServer&) = delete;
  MemcachedServer& operator=(const MemcachedServer&) = delete;
  ~MemcachedServer();

  /// A new connection's descriptor.
  int connect() const;

  /// What the server says to `bytes` on a connection of their own, until it closes.
  std::string say(std::string_view bytes) const;

 private:
  std::string folder_;
  std::string path_;
  pid_t pid_ = -1;
};

void send_all(int descriptor, std::string_view bytes);
/// Appends what arrives next. False: the other side closed.
bool receive(int descriptor, std::string& bytes);

}  // namespace quorate::test
