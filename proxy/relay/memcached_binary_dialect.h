// MemcachedBinaryDialect: what memcached's binary requests mean to the relay. Quiet ones travel in
// their loud form; replies get the client's opcode back, or are hidden.
#pragma once

#include <string>
#include <string_view>

#include "backends/wire/memcached_binary.h"
#include "proxy/relay/dialect.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

class MemcachedBinaryDialect final : public Dialect {
 public:
  explicit MemcachedBinaryDialect(Relay& relay) : relay_(relay) {}

  size_t step(Session& session, const char* begin, const char* end) override;
  LargePart feed_large(Session& session, const char* begin, const char* end) override;
  bool step_held(Session&) override { return true; }
  void refuse_held(Session&) override {}
  bool shape(const link::Pending& pending, char* bytes, size_t size) override;
  void append_end(std::string& out, const link::Upstream& upstream, const link::Pending& pending,
                  RequestEnd end) override;
  void render_join(const Session& session, const Join& join, base::ByteChain& out) override;
  void on_answer(Session*, link::Upstream&, const link::Pending&, std::string_view) override {}
  void on_no_answer(Session&, link::Upstream&, const link::Pending&) override {}
  void forget(Session&) override {}

 private:
  static constexpr uint8_t kReopcode = kOwnShapes;  // Pending::opcode is the client's

  size_t begin_large(Session& session);
  size_t answer(Session& session);
  bool refuse_unknown_client(Session& session);
  bool log_in(Session& session, std::string_view data);
  bool dispatch(Session& session, const char* frame);
  bool to_one(Session& session, link::Upstream& upstream, const char* frame);
  bool to_all(Session& session, JoinKind kind, const char* frame);
  bool say(Session& session, wire::BinaryStatusCode status, std::string_view text);
  bool refuse(Session& session, const link::Upstream& upstream);
  std::string_view forwarded_form(const char* frame);
  Relay::RequestTraits traits() const;
  void render_stats(const Join& join);

  Relay& relay_;
  wire::BinaryRequest request_;
  std::string text_;
};

}  // namespace quorate::relay
