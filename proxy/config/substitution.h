// ${env:NAME} and ${file:/path} inside string values, put in after the file is parsed: what they
// hold can therefore never become syntax, and is never looked through for more of them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/result.h"

namespace quorate::config {

/// The world that a configuration file may refer to.
struct Environment {
  /// The value of a variable, or nothing when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  /// The content of a file, or why it cannot be read ("No such file or directory").
  std::function<base::Result<std::string, std::string>(const std::string& path)> file;
};

/// This process's.
Environment process_environment();

/// The content of a file of at most `limit` bytes, or why there is none.
base::Result<std::string, std::string> read_file(const std::string& path, size_t limit);

struct Substituted {
  std::string text;
  bool secret = false;  ///< something was put in
};

/// "$${" is a plain "${". A file's last line break is left out. The error is a sentence for the
/// operator that names the variable or the file, never what it holds.
base::Result<Substituted, std::string> substitute(std::string_view text,
                                                  const Environment& environment);

}  // namespace quorate::config
