// A complaint about a configuration file, with its place, and how it is shown:
//
//   quorate.toml:12:3: error: unknown key "consistncy" in [pool.sessions]; did you mean …
//      12 |   consistncy = "none"
//         |   ^~~~~~~~~~
//
// A diagnostic is complete in itself: it carries its line of the file, because the text may be
// gone when it is printed. Passwords on that line are masked when it is taken, not when it is
// shown, so no renderer can forget to. Columns count code points, from 1, as TOML and editors do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::config {

/// A stretch of the file; `end` is exclusive. Line 0: the file as a whole.
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t end_line = 0;
  uint32_t end_column = 0;
  bool operator==(const Place&) const = default;
};

enum class Severity : uint8_t { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  uint32_t line = 0;    ///< from 1; 0: the file as a whole, and no line is shown
  uint32_t column = 0;  ///< from 1, in code points of the file's line
  std::string message;
  std::string excerpt;        ///< the line, passwords masked, nothing in it but printable text
  uint32_t caret = 0;         ///< code points of `excerpt` before the caret
  uint32_t caret_length = 0;  ///< at least 1 when there is a line

  bool operator==(const Diagnostic&) const = default;
};

enum class Colour : uint8_t { kNever, kAlways };

/// One diagnostic with its line and caret, ending in a newline.
std::string render(const Diagnostic& diagnostic, Colour colour);
/// All of them, in their order.
std::string render(std::span<const Diagnostic> diagnostics, Colour colour);

/// Collects diagnostics about one text, in any order.
class Findings {
 public:
  /// `text` must outlive this object.
  Findings(std::string_view text, std::string_view file_name);

  void error(const Place& place, std::string_view message);
  void warning(const Place& place, std::string_view message);
  bool has_errors() const { return has_errors_; }

  /// Everything found, by place; what has no place comes first.
  std::vector<Diagnostic> take();

 private:
  void add(Severity severity, const Place& place, std::string_view message);
  std::string_view line(uint32_t number) const;

  std::vector<std::string_view> lines_;
  std::string file_name_;
  std::vector<Diagnostic> found_;
  bool has_errors_ = false;
};

}  // namespace quorate::config
