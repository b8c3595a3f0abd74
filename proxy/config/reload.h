// What a running process makes of a new configuration: everything that can change while it runs,
// and the old value of everything that cannot.
#pragma once

#include "proxy/config/settings.h"

namespace quorate::config {

/// `wanted` with each key of class Reload::kRestart, and the set of pools, as in `running`.
Settings live_settings(const Settings& running, const Settings& wanted);

}  // namespace quorate::config
