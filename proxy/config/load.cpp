#include "proxy/config/load.h"

#include <utility>

#include "proxy/config/document.h"
#include "proxy/config/meaning.h"
#include "proxy/config/places.h"
#include "proxy/config/reader.h"

namespace quorate::config {

LoadResult load(std::string_view text, std::string_view file_name, const Environment& environment) {
  Findings findings(text, file_name);
  const auto document = parse_document(text);
  for (const SyntaxError& error : document ? document.value().repetitions : document.error()) {
    findings.error(error.place, error.message);
  }
  if (!document) return base::Failure{findings.take()};
  Places places;
  Settings settings = read_settings(document.value().table, environment, findings, places);
  check_meaning(settings, places, findings);
  if (findings.has_errors()) return base::Failure{findings.take()};
  return Loaded{std::move(settings), findings.take()};
}

LoadResult load_file(const std::string& path, const Environment& environment) {
  const auto text = read_file(path, kLargestDocument);
  if (text) return load(text.value(), path, environment);
  Findings findings({}, path);
  findings.error({}, "cannot read this file: " + text.error());
  return base::Failure{findings.take()};
}

}  // namespace quorate::config
