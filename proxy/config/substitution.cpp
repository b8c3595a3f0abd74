#include "proxy/config/substitution.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace quorate::config {
namespace {

using base::Failure;
using Text = base::Result<std::string, std::string>;

constexpr size_t kLargestSecret = 65536;

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

Text value_of_variable(const std::string& name, const Environment& environment) {
  if (!is_variable_name(name)) {
    return Failure{"${env:NAME} takes the name of an environment variable, not \"" + name + "\""};
  }
  auto value = environment.variable(name);
  if (!value) return Failure{"the environment variable " + name + " is not set"};
  return std::move(*value);
}

Text content_of_file(const std::string& path, const Environment& environment) {
  if (!path.starts_with('/')) {
    return Failure{std::string("${file:…} takes a path that begins with \"/\"")};
  }
  auto content = environment.file(path);
  if (!content) return Failure{"cannot read " + path + ": " + content.error()};
  std::string text = std::move(content).value();
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

// What stands between "${" and "}".
Text resolve(std::string_view reference, const Environment& environment) {
  constexpr std::string_view kVariable = "env:";
  constexpr std::string_view kFile = "file:";
  if (reference.starts_with(kVariable)) {
    return value_of_variable(std::string(reference.substr(kVariable.size())), environment);
  }
  if (reference.starts_with(kFile)) {
    return content_of_file(std::string(reference.substr(kFile.size())), environment);
  }
  return Failure{
      std::string("\"${\" begins ${env:NAME} or ${file:/path}; write \"$${\" for a plain \"${\"")};
}

}  // namespace

base::Result<Substituted, std::string> substitute(std::string_view text,
                                                  const Environment& environment) {
  Substituted result;
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      result.text += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const size_t end = text.find('}');
      if (end == std::string_view::npos) return Failure{std::string("\"${\" has no \"}\"")};
      auto value = resolve(text.substr(2, end - 2), environment);
      if (!value) return Failure{value.error()};
      result.text += value.value();
      result.secret = true;
      text.remove_prefix(end + 1);
    } else {
      result.text += text[0];
      text.remove_prefix(1);
    }
  }
  return result;
}

Text read_file(const std::string& path, size_t limit) {
  const auto why = [] { return std::string(std::strerror(errno)); };
  // Opening a FIFO that nobody writes must not block; one that somebody writes is read to its end.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return Failure{why()};
  struct stat status {};
  std::string content;
  std::string error;
  if (::fstat(descriptor, &status) != 0) {
    error = why();
  } else if (S_ISDIR(status.st_mode)) {
    error = std::strerror(EISDIR);
  } else {
    ::fcntl(descriptor, F_SETFL, O_RDONLY);
  }
  std::array<char, 16384> buffer;
  while (error.empty()) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) break;
    if (count < 0) {
      if (errno != EINTR) error = why();
      continue;
    }
    content.append(buffer.data(), static_cast<size_t>(count));
    if (content.size() > limit) error = "larger than " + std::to_string(limit) + " bytes";
  }
  ::close(descriptor);
  if (!error.empty()) return Failure{std::move(error)};
  return content;
}

Environment process_environment() {
  Environment environment;
  environment.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  environment.file = [](const std::string& path) { return read_file(path, kLargestSecret); };
  return environment;
}

}  // namespace quorate::config
