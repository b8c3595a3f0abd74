#include "proxy/config/diagnostic.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "proxy/config/excerpt.h"
#include "proxy/config/utf8.h"

namespace quorate::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

constexpr std::string_view kBold = "\x1B[1m";
constexpr std::string_view kRed = "\x1B[1;31m";
constexpr std::string_view kMagenta = "\x1B[1;35m";
constexpr std::string_view kGreen = "\x1B[1;32m";
constexpr std::string_view kReset = "\x1B[0m";

std::string painted(std::string_view text, std::string_view paint, Colour colour) {
  if (colour == Colour::kNever) return std::string(text);
  return std::string(paint).append(text).append(kReset);
}

std::string location(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.line > 0) {
    text += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  }
  return text + ":";
}

std::string underline(const Diagnostic& diagnostic) {
  return "^" + std::string(diagnostic.caret_length - 1, '~');
}

}  // namespace

std::string render(const Diagnostic& diagnostic, Colour colour) {
  const bool error = diagnostic.severity == Severity::kError;
  std::string text = painted(location(diagnostic), kBold, colour) + " " +
                     painted(error ? "error:" : "warning:", error ? kRed : kMagenta, colour) + " " +
                     painted(diagnostic.message, kBold, colour) + "\n";
  if (diagnostic.line == 0) return text;

  std::string number = std::to_string(diagnostic.line);
  if (number.size() < 5) number.insert(0, 5 - number.size(), ' ');
  text += number + " | " + diagnostic.excerpt + "\n";
  text += std::string(number.size(), ' ') + " | " + std::string(diagnostic.caret, ' ') +
          painted(underline(diagnostic), kGreen, colour) + "\n";
  return text;
}

std::string render(std::span<const Diagnostic> diagnostics, Colour colour) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += render(diagnostic, colour);
  return text;
}

Findings::Findings(std::string_view text, std::string_view file_name) : file_name_(file_name) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (true) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines_.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

void Findings::error(const Place& place, std::string_view message) {
  has_errors_ = true;
  add(Severity::kError, place, message);
}

void Findings::warning(const Place& place, std::string_view message) {
  add(Severity::kWarning, place, message);
}

std::vector<Diagnostic> Findings::take() {
  std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::exchange(found_, {});
}

std::string_view Findings::line(uint32_t number) const {
  return number >= 1 && number <= lines_.size() ? lines_[number - 1] : std::string_view();
}

void Findings::add(Severity severity, const Place& place, std::string_view message) {
  Diagnostic diagnostic;
  diagnostic.severity = severity;
  diagnostic.file = file_name_;
  diagnostic.message = printable(message);
  if (place.line > 0) {
    // What spans lines is underlined to the end of its first.
    const uint32_t end = place.end_line > place.line ? UINT32_MAX : place.end_column;
    const Excerpt excerpt = make_excerpt(line(place.line), place.column, end);
    diagnostic.line = place.line;
    diagnostic.column = place.column;
    diagnostic.excerpt = excerpt.text;
    diagnostic.caret = excerpt.caret;
    diagnostic.caret_length = excerpt.caret_length;
  }
  found_.push_back(std::move(diagnostic));
}

}  // namespace quorate::config
