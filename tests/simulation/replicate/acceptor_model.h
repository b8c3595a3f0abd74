// AcceptorModel: what a Redis server with our scripts does, in C++: the same requests, the same
// answers. The simulator's backends are made of it; tests/integration/acceptor_differential_test
// holds it against a real server, question by question.
//
// It knows enough commands for workloads that tell values apart: strings, lists, hashes, sets. A
// dump is its own; it goes from model to model only. A client's script, whatever it is, makes a
// string of the key that no other run of it makes, and replies 1.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backends/redis/acceptor.h"

namespace quorate::test {

class AcceptorModel {
 public:
  /// Views in the answer are of this model, until the next call.
  redis::acceptor::Answer handle(const redis::acceptor::Request& request);

  // ---- What happens to servers. (A restart with old data: keep a copy, assign it.)

  void flush() { *this = AcceptorModel(); }
  /// Either may go alone.
  void evict_data(std::string_view key) { data_.erase(std::string(key)); }
  void evict_meta(std::string_view key) { metas_.erase(std::string(key)); }
  /// From now on, writes are refused for this reason; deletes only if it is not kOutOfMemory.
  void set_nack(redis::acceptor::Nack nack) { nack_ = nack; }

  // ---- What the simulator's invariants look at.

  struct Register {
    redis::acceptor::Meta meta;  // reply: of `recorded`
    std::string recorded;
  };
  const std::map<std::string, Register>& metas() const { return metas_; }
  base::Term floor_of(uint16_t slot) const;
  base::Version gc_floor_of(uint16_t slot) const;
  cluster::Nonce incarnation() const { return incarnation_; }
  /// The value as a command would read it, for comparing servers; empty: none.
  std::string value_of(std::string_view key) const;

 private:
  using Answer = redis::acceptor::Answer;
  using Request = redis::acceptor::Request;
  using Target = redis::acceptor::Target;
  using List = std::deque<std::string>;
  using Hash = std::map<std::string, std::string>;
  using Set = std::set<std::string>;
  using Value = std::variant<std::string, List, Hash, Set>;
  struct Slot {
    base::Term floor;
    uint64_t high_water = 0;
    base::Version gc_floor;
  };
  class Interpreter;

  Answer on(const Target& target, const redis::acceptor::Admit& it);
  Answer on(const Target& target, const redis::acceptor::Install& it);
  Answer on(const Target& target, const redis::acceptor::Full& it);
  Answer on(const Target& target, const redis::acceptor::Delta& it);
  Answer on(const Target& target, const redis::acceptor::Read& it);
  Answer on(const Target& target, const redis::acceptor::DumpAt& it);
  Answer on(const Target& target, const redis::acceptor::RaiseFloor& it);
  Answer on(const Target& target, const redis::acceptor::Forget& it);
  Answer on(const Target& target, const redis::acceptor::Purge& it);
  Answer on(const Target& target, const redis::acceptor::Scan& it);

  /// Why this version may not be written; kOk if it may.
  Answer may_write(const Target& target, const base::Version& version);
  Answer refuse_writes(bool only_deletes);
  void commit(const Target& target, const base::Version& version, redis::acceptor::Type type,
              int64_t expires_at_ms, std::string recorded);
  redis::acceptor::Meta meta_of(std::string_view key) const;
  redis::acceptor::Type type_of(std::string_view key) const;

  cluster::Nonce cluster_;
  cluster::Nonce incarnation_;
  bool fenced_ = false;
  std::map<uint16_t, Slot> slots_;
  std::map<std::string, Register> metas_;
  std::map<std::string, Value> data_;
  redis::acceptor::Nack nack_ = redis::acceptor::Nack::kNone;
  uint64_t runs_ = 0;  // of scripts
  std::string text_;   // what answers view
  std::string state_;
};

}  // namespace quorate::test
