// Random settings that load() would accept, for properties that must hold of all of them.
#pragma once

#include "consensus/base/random.h"
#include "proxy/config/settings.h"

namespace quorate::config::testing {

/// Every key takes values across its range; cross-checks are respected; nothing is secret.
Settings random_settings(base::Random& random);

}  // namespace quorate::config::testing
