// Reads a parsed document into Settings along the schema, and reports everything that the schema
// forbids. Keeps going after an error; the value then keeps its default and is marked unsound.
#pragma once

#include "proxy/config/diagnostic.h"
#include "proxy/config/document.h"
#include "proxy/config/places.h"
#include "proxy/config/settings.h"
#include "proxy/config/substitution.h"

namespace quorate::config {

/// What the document says, with every default filled in. Meaningful when `findings` has no errors.
Settings read_settings(const Table& document, const Environment& environment, Findings& findings,
                       Places& places);

}  // namespace quorate::config
