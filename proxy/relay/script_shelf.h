// ScriptShelf: the Lua scripts that clients showed to the proxy (SCRIPT LOAD, EVAL), so that
// EVALSHA works on every backend of a pool and after a backend has lost them.
//
// One shelf for the process, behind a lock: it is asked only when a script is new to a worker, or
// new to a backend. Bounded: the oldest scripts of a pool are given up first. Forgets nothing by
// itself otherwise; SCRIPT FLUSH empties it, pool by pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace quorate::relay {

/// SHA-1 in lower-case hexadecimal, as EVALSHA names a script.
std::string script_name(std::string_view body);

class ScriptShelf {
 public:
  static constexpr size_t kMaxBytes = size_t{16} << 20;  ///< of the bodies of one pool

  void put(uint32_t pool, std::string_view body);
  /// `name`: 40 lower-case hexadecimal digits. nullptr: not known.
  std::shared_ptr<const std::string> find(uint32_t pool, const std::string& name) const;
  void flush(uint32_t pool);
  /// Grows with every script that is new.
  uint64_t puts() const { return puts_.load(std::memory_order_acquire); }
  /// Grows with every flush: what a worker has noted before is void.
  uint64_t flushes() const { return flushes_.load(std::memory_order_acquire); }

 private:
  struct PoolScripts {
    std::unordered_map<std::string, std::shared_ptr<const std::string>> bodies;
    std::deque<std::string> by_age;
    size_t bytes = 0;
  };

  mutable std::mutex mutex_;
  std::map<uint32_t, PoolScripts> pools_;
  std::atomic<uint64_t> puts_{0};
  std::atomic<uint64_t> flushes_{0};
};

}  // namespace quorate::relay
