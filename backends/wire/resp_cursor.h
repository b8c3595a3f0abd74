// RespCursor: walks over whole RESP3 replies, element by element, without a tree and without
// allocation. For replies whose shape is known; bytes are validated as they are met.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::wire {

struct RespElement {
  char type = 0;      ///< as on the wire: '+' '-' ':' '$' '*' '%' '~' '_' '#' ',' '(' '=' '!' '>'
  int64_t count = 0;  ///< aggregates: elements (of a map: pairs); -1 and '_' become '_'
  std::string_view text;  ///< of a line without its type; of a bulk its bytes

  bool is_nil() const { return type == '_'; }
  bool is_bulk() const { return type == '$'; }
  bool is_array() const { return type == '*'; }
  bool is_error() const { return type == '-' || type == '!'; }
};

class RespCursor {
 public:
  explicit RespCursor(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  /// The next element; of an aggregate, only its header. false: none, or malformed.
  bool read(RespElement& element);
  /// Skips one whole reply, and gives its bytes; empty: none, or malformed.
  std::string_view skip();

 private:
  std::string_view rest_;
};

}  // namespace quorate::wire
