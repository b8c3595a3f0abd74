// What a reload would change, one line for each change in the operator's words:
//
//   pool.cache.request_timeout: 2s -> 5s
//   pool.cache.backends: + 10.0.0.4:6379
//
// with the class that says when it takes effect. Backends are matched by name, pools by name.
// Values that are secret in either version are never shown, only that they changed.
// diff(a, b) is empty exactly when a == b.
#pragma once

#include <string>
#include <vector>

#include "proxy/config/schema.h"
#include "proxy/config/settings.h"

namespace quorate::config {

struct Change {
  std::string path;  ///< "pool.cache.request_timeout"
  std::string what;  ///< "2s -> 5s", "+ 10.0.0.4:6379"
  Reload reload = Reload::kLive;
  bool moves_keys = false;

  /// "path: what", without the consequences.
  std::string text() const { return path + ": " + what; }
  bool operator==(const Change&) const = default;
};

std::vector<Change> diff(const Settings& before, const Settings& after);

/// The line with its consequences: "…  (needs a restart)", "…  (moves keys)".
std::string render(const Change& change);

}  // namespace quorate::config
