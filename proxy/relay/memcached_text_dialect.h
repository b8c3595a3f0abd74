// MemcachedTextDialect: what memcached's text and meta commands mean to the relay. Every request
// travels in a form that draws exactly one reply; `noreply` and `q` are kept here, and hide replies
// on their way back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/memcached_text.h"
#include "proxy/relay/dialect.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

class MemcachedTextDialect final : public Dialect {
 public:
  explicit MemcachedTextDialect(Relay& relay) : relay_(relay) {}

  size_t step(Session& session, const char* begin, const char* end) override;
  LargePart feed_large(Session& session, const char* begin, const char* end) override;
  bool step_held(Session& session) override;
  void refuse_held(Session& session) override;
  bool shape(const link::Pending& pending, char* bytes, size_t size) override;
  void append_end(std::string& out, const link::Upstream& upstream, const link::Pending& pending,
                  RequestEnd end) override;
  void render_join(const Session& session, const Join& join, base::ByteChain& out) override;
  void on_answer(Session*, link::Upstream&, const link::Pending&, std::string_view) override {}
  void on_no_answer(Session&, link::Upstream&, const link::Pending&) override {}
  void forget(Session&) override {}

 private:
  static constexpr uint8_t kQuiet = kOwnShapes;  // Pending::opcode is then the verb

  size_t log_in(Session& session, const char* begin, const char* end);
  size_t answer(Session& session);
  size_t begin_large(Session& session);
  bool dispatch(Session& session, const char* frame);
  bool to_owner(Session& session, const char* frame);
  bool to_any(Session& session, const char* frame);
  bool to_one(Session& session, link::Upstream& upstream, const char* frame);
  bool to_all(Session& session, JoinKind kind, const char* frame);
  bool retrieve(Session& session, std::string_view head, const std::vector<std::string_view>& keys);
  std::string_view forwarded_form(const char* frame);
  Relay::RequestTraits traits() const;
  bool may_write() const;
  bool say(Session& session, std::string_view line);
  bool refuse(Session& session, const link::Upstream& upstream, bool silently);

  bool render_values(const Join& join);
  bool render_stats(const Join& join);

  Relay& relay_;
  wire::TextRequest request_;
  std::string text_;

  // retrieve(): one line to one backend; a backend may get several.
  struct Part {
    link::Upstream* upstream;
    link::Link* link;
    std::string line;
  };
  static constexpr uint32_t kNoPart = UINT32_MAX;
  std::vector<Part> parts_;
  size_t part_count_ = 0;          // parts_ in use; the others keep their memory
  std::vector<uint32_t> part_of_;  // the upstream's current part
  std::vector<uint16_t> part_of_key_;
  std::vector<std::string_view> keys_;
};

}  // namespace quorate::relay
