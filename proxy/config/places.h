// Where each value of a Settings stands in its file, by its path: "workers", "log.level",
// "pool.cache", "pool.cache.listen.0", "pool.cache.backends.2.name". Lets the cross-checks, which
// see only plain values, point at the file and keep quiet about what is already reported.
#pragma once

#include <map>
#include <set>
#include <string>

#include "proxy/config/diagnostic.h"

namespace quorate::config {

class Places {
 public:
  void set(const std::string& path, const Place& place) { places_.emplace(path, place); }
  /// An error was reported about the value: what stands in the Settings is not what was meant.
  void mark_unsound(const std::string& path) { unsound_.insert(path); }

  bool is_set(const std::string& path) const { return places_.contains(path); }
  bool is_sound(const std::string& path) const { return !unsound_.contains(path); }
  /// Of the value, or of `otherwise` (a table, say) when the file leaves the key out.
  Place of(const std::string& path, const std::string& otherwise) const {
    for (const std::string& wanted : {path, otherwise}) {
      if (const auto found = places_.find(wanted); found != places_.end()) return found->second;
    }
    return {};
  }

 private:
  std::map<std::string, Place> places_;
  std::set<std::string> unsound_;
};

}  // namespace quorate::config
