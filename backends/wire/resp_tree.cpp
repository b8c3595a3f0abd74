#include "backends/wire/resp_tree.h"

#include <cstddef>
#include <optional>

#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

constexpr int kMaxDepth = 10;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool read(RespTree& tree, int depth);
  bool at_end() const { return position_ == bytes_.size(); }
  RespTreeError error() const { return error_; }

 private:
  bool fail(RespTreeError error) {
    error_ = error;
    return false;
  }
  std::optional<std::string_view> read_line();
  bool read_bulk(RespTree& tree, std::string_view length_text);
  bool read_array(RespTree& tree, std::string_view count_text, int depth);

  std::string_view bytes_;
  size_t position_ = 0;
  RespTreeError error_ = RespTreeError::kMalformed;
};

std::optional<std::string_view> Reader::read_line() {
  const size_t end = bytes_.find('\r', position_);
  if (end == std::string_view::npos || end + 1 == bytes_.size()) {
    error_ = RespTreeError::kIncomplete;
    return std::nullopt;
  }
  if (bytes_[end + 1] != '\n') {
    error_ = RespTreeError::kMalformed;
    return std::nullopt;
  }
  const std::string_view line = bytes_.substr(position_, end - position_);
  position_ = end + 2;
  return line;
}

bool Reader::read(RespTree& tree, int depth) {
  const auto line = read_line();
  if (!line) return false;
  if (line->empty()) return fail(RespTreeError::kMalformed);
  const std::string_view rest = line->substr(1);
  switch (line->front()) {
    case '+':
      tree.kind = RespTree::Kind::kText;
      tree.text = rest;
      return true;
    case '-':
      tree.kind = RespTree::Kind::kError;
      tree.text = rest;
      return true;
    case ':': {
      const auto integer = base::parse_integer<int64_t>(rest);
      if (!integer) return fail(RespTreeError::kMalformed);
      tree.kind = RespTree::Kind::kInteger;
      tree.integer = *integer;
      return true;
    }
    case '$': return read_bulk(tree, rest);
    case '*': return read_array(tree, rest, depth);
    default: return fail(RespTreeError::kMalformed);
  }
}

bool Reader::read_bulk(RespTree& tree, std::string_view length_text) {
  const auto length = base::parse_integer<int64_t>(length_text);
  if (!length || *length < -1) return fail(RespTreeError::kMalformed);
  if (*length == -1) return true;
  const auto size = static_cast<size_t>(*length);
  const size_t available = bytes_.size() - position_;
  if (available < size || available - size < 2) return fail(RespTreeError::kIncomplete);
  tree.kind = RespTree::Kind::kText;
  tree.text = bytes_.substr(position_, size);
  if (bytes_.substr(position_ + size, 2) != "\r\n") return fail(RespTreeError::kMalformed);
  position_ += size + 2;
  return true;
}

bool Reader::read_array(RespTree& tree, std::string_view count_text, int depth) {
  const auto count = base::parse_integer<int64_t>(count_text);
  if (!count || *count < -1 || depth == kMaxDepth) return fail(RespTreeError::kMalformed);
  if (*count == -1) return true;
  tree.kind = RespTree::Kind::kArray;
  // Elements arrive before they are allocated: the declared count is only a wish.
  for (int64_t i = 0; i < *count; ++i) {
    if (!read(tree.elements.emplace_back(), depth + 1)) return false;
  }
  return true;
}

}  // namespace

base::Result<RespTree, RespTreeError> parse_resp_tree(std::string_view bytes) {
  Reader reader(bytes);
  RespTree tree;
  if (!reader.read(tree, 0)) return base::Failure{reader.error()};
  if (!reader.at_end()) return base::Failure{RespTreeError::kMalformed};
  return tree;
}

}  // namespace quorate::wire
