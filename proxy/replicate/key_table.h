// KeyTable: the keys on which something is under way, and those whose newest state their owner
// remembers. Keys do not move; what they allocated stays warm when they are used again.
//
// Idle keys that are remembered are a list, least recently used first; beyond a bound the first is
// forgotten, which costs its next write a first touch. A key with an operation is never forgotten.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis/replicated_command.h"
#include "proxy/replicate/operation.h"

namespace quorate::replicate {

struct Key {
  std::string name;
  uint64_t hash = 0;
  uint16_t slot = 0;
  bool is_known = false;      ///< `base` is chosen, and the newest under `known_term`
  bool is_exclusive = false;  ///< `first` has been started and is no direct read
  bool is_queued = false;     ///< in the list of keys to look at
  base::Term known_term;
  redis::BaseState base;
  Operation* first = nullptr;  ///< operations, in order
  Operation* last = nullptr;
  Operation* unstarted = nullptr;  ///< the first that has not been started
  base::Version told;              ///< by the direct reads that have ended since it was idle
  Key* chain = nullptr;            ///< of its bucket
  Key* older = nullptr;            ///< of the idle ones
  Key* newer = nullptr;
  bool is_idle = false;

  bool has_operations() const { return first != nullptr; }
};

class KeyTable {
 public:
  explicit KeyTable(uint32_t remembered) : remembered_(remembered), buckets_(1024) {}

  /// The key, made if it is not there; taken from the idle ones.
  Key& use(std::string_view name, uint64_t hash, uint16_t slot);
  /// The key has no operation any more: it is remembered if its state is known, else gone.
  void rest(Key& key);
  uint32_t size() const { return size_; }

 private:
  void unlink_idle(Key& key);
  void remove(Key& key);
  void grow();

  const uint32_t remembered_;
  std::vector<Key*> buckets_;
  std::vector<std::unique_ptr<Key>> memory_;
  Key* free_ = nullptr;
  Key* oldest_ = nullptr;
  Key* newest_ = nullptr;
  uint32_t idle_ = 0;
  uint32_t size_ = 0;
};

}  // namespace quorate::replicate
