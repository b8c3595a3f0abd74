#include "proxy/relay/join.h"

#include <algorithm>
#include <array>

#include "backends/wire/resp_reply.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::relay {

namespace {

/// Reads the elements of one fragment's array, in order.
class ElementReader {
 public:
  /// False: not an array.
  bool open(std::string_view reply) {
    if (reply.size() < 4 || (reply[0] != '*' && reply[0] != '~')) return false;
    const size_t line_end = reply.find("\r\n");
    const auto count = base::parse_integer<int64_t>(reply.substr(1, line_end - 1));
    if (!count || *count < 0) return false;
    left_ = static_cast<size_t>(*count);
    rest_ = reply.substr(line_end + 2);
    return true;
  }
  size_t left() const { return left_; }
  std::string_view rest() const { return rest_; }

  /// The next element's bytes. REQUIRES: left() > 0. Empty: the reply is not what it should be.
  std::string_view next() {
    if (rest_.empty()) return {};
    const char* end = rest_.data() + rest_.size();
    size_t size = wire::whole_plain_reply(rest_.data(), end);
    if (size == 0) {
      scanner_.reset();
      const auto progress = scanner_.feed(rest_.data(), end);
      if (!progress.done) return {};
      size = progress.consumed;
    }
    const std::string_view element(rest_.data(), size);
    rest_.remove_prefix(size);
    --left_;
    return element;
  }

 private:
  std::string_view rest_;
  size_t left_ = 0;
  wire::ReplyScanner scanner_;
};

std::optional<int64_t> integer_of(std::string_view reply) {
  if (reply.size() < 4 || reply[0] != ':') return std::nullopt;
  return base::parse_integer<int64_t>(reply.substr(1, reply.size() - 3));
}

using Sink = base::ByteChain;

bool render_elements(const Join& join, base::ChunkPool& pool, Sink& out) {
  const auto& memory = join.memory;
  std::vector<ElementReader> readers(memory.fragments.size());
  std::vector<size_t> expected(memory.fragments.size());
  for (const uint16_t fragment : memory.order) ++expected[fragment];
  for (size_t i = 0; i < readers.size(); ++i) {
    if (!readers[i].open(memory.fragments[i].reply) || readers[i].left() != expected[i])
      return false;
  }
  std::string header;
  wire::append_array(header, memory.order.size());
  out.append(pool, header);
  for (const uint16_t fragment : memory.order) {
    const std::string_view element = readers[fragment].next();
    if (element.empty()) return false;
    out.append(pool, element);
  }
  return true;
}

bool render_concat(const Join& join, base::ChunkPool& pool, Sink& out) {
  size_t count = 0;
  std::vector<ElementReader> readers(join.memory.fragments.size());
  for (size_t i = 0; i < readers.size(); ++i) {
    if (!readers[i].open(join.memory.fragments[i].reply)) return false;
    count += readers[i].left();
  }
  std::string header;
  wire::append_header(header, join.memory.fragments[0].reply[0], static_cast<int64_t>(count));
  out.append(pool, header);
  for (const auto& reader : readers) out.append(pool, reader.rest());
  return true;
}

bool render_sum(const Join& join, base::ChunkPool& pool, Sink& out) {
  int64_t sum = 0;
  for (const Fragment& fragment : join.memory.fragments) {
    const auto value = integer_of(fragment.reply);
    if (!value) return false;
    sum += *value;
  }
  std::string text;
  wire::append_integer(text, sum);
  out.append(pool, text);
  return true;
}

bool render_minimum(const Join& join, base::ChunkPool& pool, Sink& out) {
  int64_t least = INT64_MAX;
  for (const Fragment& fragment : join.memory.fragments) {
    const auto value = integer_of(fragment.reply);
    if (!value) return false;
    least = std::min(least, *value);
  }
  std::string text;
  wire::append_integer(text, least);
  out.append(pool, text);
  return true;
}

bool is_nil(std::string_view reply) { return reply == "$-1\r\n" || reply == "_\r\n"; }

/// The first fragment that is not of the unwanted kind, else the first of all.
template <class Unwanted>
bool render_first_but(const Join& join, base::ChunkPool& pool, Sink& out, Unwanted&& unwanted) {
  for (const Fragment& fragment : join.memory.fragments) {
    if (unwanted(std::string_view(fragment.reply))) continue;
    out.append(pool, fragment.reply);
    return true;
  }
  out.append(pool, join.memory.fragments[0].reply);
  return true;
}

bool render_any_but_nil(const Join& join, base::ChunkPool& pool, Sink& out) {
  const auto& fragments = join.memory.fragments;
  for (size_t i = 0; i < fragments.size(); ++i) {
    const Fragment& fragment = fragments[(join.opaque + i) % fragments.size()];
    if (is_nil(fragment.reply) && i + 1 < fragments.size()) continue;
    out.append(pool, fragment.reply);
    return true;
  }
  return false;
}

bool render_each_minimum(const Join& join, base::ChunkPool& pool, Sink& out) {
  std::vector<ElementReader> readers(join.memory.fragments.size());
  for (size_t i = 0; i < readers.size(); ++i) {
    if (!readers[i].open(join.memory.fragments[i].reply)) return false;
    if (readers[i].left() != readers[0].left()) return false;
  }
  std::string text;
  const size_t count = readers[0].left();
  wire::append_array(text, count);
  for (size_t place = 0; place < count; ++place) {
    int64_t least = INT64_MAX;
    for (auto& reader : readers) {
      const auto value = integer_of(reader.next());
      if (!value) return false;
      least = std::min(least, *value);
    }
    const auto& known = join.memory.order;
    if (known.size() == count) least = std::max<int64_t>(least, known[place]);
    wire::append_integer(text, least);
  }
  out.append(pool, text);
  return true;
}

}  // namespace

const Fragment* Join::first_error() const {
  for (const Fragment& fragment : memory.fragments) {
    if (fragment.end == FragmentEnd::kAnswered && fragment.reply.starts_with('-')) return &fragment;
  }
  return nullptr;
}

const Fragment* Join::first_without_reply() const {
  const Fragment* found = nullptr;
  for (const Fragment& fragment : memory.fragments) {
    if (fragment.end == FragmentEnd::kUnknown) return &fragment;
    if (fragment.end == FragmentEnd::kNotExecuted || fragment.end == FragmentEnd::kTimedOut) {
      if (found == nullptr) found = &fragment;
    }
  }
  return found;
}

bool Join::is_too_large() const {
  return std::ranges::any_of(memory.fragments, [](const Fragment& fragment) {
    return fragment.end == FragmentEnd::kTooLarge;
  });
}

bool Join::render(base::ChunkPool& pool, base::ByteChain& out) const {
  ASSERT(open_fragments == 0);
  const Fragment* error = first_error();
  if (error != nullptr && kind != JoinKind::kFirstSuccess) {
    out.append(pool, error->reply);
    return true;
  }
  base::ByteChain rendered;
  bool fits = false;
  switch (kind) {
    case JoinKind::kElements: fits = render_elements(*this, pool, rendered); break;
    case JoinKind::kConcat: fits = render_concat(*this, pool, rendered); break;
    case JoinKind::kSum: fits = render_sum(*this, pool, rendered); break;
    case JoinKind::kMinimum: fits = render_minimum(*this, pool, rendered); break;
    case JoinKind::kEachMinimum: fits = render_each_minimum(*this, pool, rendered); break;
    case JoinKind::kFirstNonNil: fits = render_any_but_nil(*this, pool, rendered); break;
    case JoinKind::kFirstSuccess:
      fits = render_first_but(*this, pool, rendered,
                              [](std::string_view reply) { return reply.starts_with('-'); });
      break;
    case JoinKind::kFirst:
      fits = render_first_but(*this, pool, rendered, [](auto) { return false; });
      break;
    case JoinKind::kReceivers:
    case JoinKind::kScan:
    case JoinKind::kValues:
    case JoinKind::kParts:
    case JoinKind::kExec:
    case JoinKind::kInfo:
    case JoinKind::kTextValues:
    case JoinKind::kTextFirst:
    case JoinKind::kTextStats:
    case JoinKind::kBinaryFirst:
    case JoinKind::kBinaryStats: break;
  }
  if (fits) out.splice(pool, rendered);
  rendered.clear(pool);
  return fits;
}

}  // namespace quorate::relay
