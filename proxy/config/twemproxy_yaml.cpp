#include "proxy/config/twemproxy_yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <sstream>

namespace quorate::config {
namespace {

constexpr size_t kLargestFile = size_t{1} << 20;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none.
size_t sequence_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  // Overlong forms, surrogates, and what is beyond Unicode.
  const unsigned first_two = byte(0) << 8 | byte(1);
  const bool wrong =
      (byte(0) == 0xe0 && first_two < 0xe0a0) || (byte(0) == 0xed && first_two > 0xed9f) ||
      (byte(0) == 0xf0 && first_two < 0xf090) || (byte(0) == 0xf4 && first_two > 0xf48f);
  return wrong ? 0 : length;
}

/// The parser counts bytes; readers of messages count characters.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    while (true) {
      const size_t end = text.find('\n');
      lines_.push_back(text.substr(0, end));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  YamlText place(int line, int column) const {
    const auto number = static_cast<size_t>(std::max(line, 0));
    const std::string_view content = number < lines_.size() ? lines_[number] : std::string_view();
    const std::string_view before = content.substr(0, static_cast<size_t>(std::max(column, 0)));
    const auto continued = std::ranges::count_if(before, is_continuation);
    return {.text = "",
            .line = static_cast<uint32_t>(number + 1),
            .column = static_cast<uint32_t>(before.size() - static_cast<size_t>(continued) + 1)};
  }

  std::optional<ImportError> not_utf8() const {
    for (size_t line = 0; line < lines_.size(); ++line) {
      std::string_view rest = lines_[line];
      while (!rest.empty()) {
        const size_t length = sequence_length(rest);
        const auto column = static_cast<int>(lines_[line].size() - rest.size());
        if (length == 0) return place(static_cast<int>(line), column).error("this is not UTF-8");
        rest.remove_prefix(length);
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<std::string_view> lines_;
};

class Reader {
 public:
  explicit Reader(const Lines& lines) : lines_(lines) {}

  YamlPools take() { return std::move(read_); }

  void read_root(const YAML::Node& root) {
    if (!is_block(root, "the file")) return;
    if (!root.IsMap()) {
      fail(root, "the file is not a list of pools, each a name with its settings below");
      return;
    }
    for (const auto& pair : root) {
      const auto name = read_text(pair.first, "the name of a pool");
      if (name) read_pool({.name = *name, .entries = {}}, pair.second);
    }
  }

 private:
  void read_pool(YamlPool pool, const YAML::Node& settings) {
    const std::string owner = "pool " + in_quotes(pool.name.text);
    if (settings.IsNull() || !settings.IsMap()) {
      read_.errors.push_back(pool.name.error(owner + " has no settings"));
      return;
    }
    if (!is_block(settings, owner)) return;
    const size_t errors_before = read_.errors.size();
    for (const auto& pair : settings) {
      const auto key = read_text(pair.first, "a key");
      if (!key) continue;
      auto entry = read_entry(*key, pair.second);
      if (entry) pool.entries.push_back(std::move(*entry));
    }
    pool.complete = read_.errors.size() == errors_before;
    read_.pools.push_back(std::move(pool));
  }

  std::optional<YamlEntry> read_entry(const YamlText& key, const YAML::Node& value) {
    const std::string what = in_quotes(key.text);
    YamlEntry entry{.key = key, .is_list = value.IsSequence(), .values = {}};
    if (value.IsNull()) {
      read_.errors.push_back(key.error(what + " has no value"));
      return std::nullopt;
    }
    if (!entry.is_list) {
      const auto text = read_text(value, "the value of " + what);
      if (!text) return std::nullopt;
      entry.values.push_back(*text);
      return entry;
    }
    if (!is_block(value, what)) return std::nullopt;
    for (const auto& each : value) {
      const auto text = read_text(each, "an entry of " + what);
      if (text) entry.values.push_back(*text);
    }
    return entry;
  }

  std::optional<YamlText> read_text(const YAML::Node& node, const std::string& what) {
    if (!node.IsScalar()) {
      fail(node, what + (node.IsNull() ? " is missing" : " is not plain text"));
      return std::nullopt;
    }
    // "?" and "!" are what the parser calls untagged text, without and with quotes.
    if (node.Tag() != "?" && node.Tag() != "!") {
      fail(node, "twemproxy takes no tags");
      return std::nullopt;
    }
    YamlText text = place_of(node);
    text.text = node.Scalar();
    return text;
  }

  bool is_block(const YAML::Node& node, const std::string& what) {
    if (node.Style() != YAML::EmitterStyle::Flow) return true;
    fail(node, what + ": twemproxy takes no {…} and no […]; write one setting on each line");
    return false;
  }

  YamlText place_of(const YAML::Node& node) const {
    return lines_.place(node.Mark().line, node.Mark().column);
  }

  void fail(const YAML::Node& node, std::string message) {
    read_.errors.push_back(place_of(node).error(std::move(message)));
  }

  const Lines& lines_;
  YamlPools read_;
};

/// Where each document begins. YAML::LoadAll would tell too, but never returns from text that
/// begins with "," or "]", and YAML::Load would pass over whatever follows the first document.
class DocumentStarts : public YAML::EventHandler {
 public:
  std::optional<YAML::Mark> second(std::istream& text) {
    YAML::Parser parser(text);
    while (marks_.size() < 2 && parser.HandleNextDocument(*this)) continue;
    return marks_.size() < 2 ? std::nullopt : std::optional(marks_[1]);
  }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

YamlPools only_error(ImportError error) { return {.pools = {}, .errors = {std::move(error)}}; }

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string quoted = "\"";
  while (!text.empty() && quoted.size() < kLongest) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t length = byte < 0x20 || byte == 0x7f ? 0 : sequence_length(text);
    quoted += length == 0 ? "?" : text.substr(0, length);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return quoted + (text.empty() ? "\"" : "…\"");
}

YamlPools read_yaml_pools(std::string_view text) {
  if (text.size() > kLargestFile) return only_error({1, 1, "the file is larger than 1 MiB"});
  const Lines lines(text);
  if (auto error = lines.not_utf8()) return only_error(std::move(*error));
  try {
    const std::string copy(text);
    std::istringstream stream(copy);
    if (const auto second = DocumentStarts().second(stream)) {
      return only_error(lines.place(second->line, second->column)
                            .error("what begins here is no part of the pools above"));
    }
    const YAML::Node root = YAML::Load(copy);
    if (root.IsNull()) return only_error({1, 1, "there are no pools"});
    Reader reader(lines);
    reader.read_root(root);
    return reader.take();
  } catch (const YAML::Exception& exception) {
    const YamlText at = lines.place(exception.mark.line, exception.mark.column);
    return only_error(at.error("syntax: " + exception.msg));
  }
}

}  // namespace quorate::config
