// InfoText: the text of INFO, as sections of "name:value" lines, and how those of several servers
// become one: what counts data is added up, what describes a server is the first one's.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::relay {

class InfoText {
 public:
  /// Lines that are none are left out.
  static InfoText parse(std::string_view text);

  /// Adds the figures of another server.
  void merge(const InfoText& other);
  /// Replaces the value of a line, wherever it stands; no line, no change.
  void set(std::string_view name, std::string_view value);
  /// The same; without such a line it is added to the section, if that is there.
  void put(std::string_view section, std::string_view name, std::string_view value);
  void remove(std::string_view name);
  std::string render() const;

 private:
  struct Section {
    std::string name;
    std::vector<std::pair<std::string, std::string>> lines;
  };
  std::string* find(std::string_view name);
  Section* section(std::string_view name);

  std::vector<Section> sections_;
};

}  // namespace quorate::relay
