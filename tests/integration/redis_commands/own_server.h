// A redis-server of the test's own on a free loopback port. It dies with the test, also when that
// is killed.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::test {

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;
using Args = std::vector<std::string>;

class OwnServer {
 public:
  /// Returns when it answers. Throws std::runtime_error if it does not within 20 s.
  OwnServer();
  ~OwnServer();
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  Reply call(const Args& args);
  /// One write, then all the replies.
  std::vector<Reply> call_all(std::span<const Args> commands);
  /// The reply's bytes as they came.
  std::string call_raw(const Args& args);
  /// Bytes as they are, then so many replies as they came, one behind the other.
  std::string exchange(std::string_view bytes, size_t replies);

 private:
  struct Closer {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  pid_t process_ = 0;
  std::unique_ptr<redisContext, Closer> connection_;
};

}  // namespace quorate::test
