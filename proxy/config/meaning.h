// The checks that look at more than one key: what is in range by itself and still cannot work, or
// works otherwise than it reads. Errors refuse the file; warnings never do.
#pragma once

#include "proxy/config/diagnostic.h"
#include "proxy/config/places.h"
#include "proxy/config/settings.h"

namespace quorate::config {

void check_meaning(const Settings& settings, const Places& places, Findings& findings);

}  // namespace quorate::config
