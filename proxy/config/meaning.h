// The checks that look at more than one key: what is in range by itself and still cannot work, or
// works otherwise than it reads. Errors refuse the file; warnings never do.
#pragma once

#include "proxy/config/diagnostic.h"
#include "proxy/config/places.h"
#include "proxy/config/settings.h"
#include "proxy/config/substitution.h"

namespace quorate::config {

/// `environment`: where QUORATE_UNFINISHED may name a mode that is not whole yet, for its tests.
void check_meaning(const Settings& settings, const Places& places, const Environment& environment,
                   Findings& findings);

}  // namespace quorate::config
