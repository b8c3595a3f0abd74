#include "backends/wire/function_list.h"

#include <algorithm>

#include "backends/wire/resp_tree.h"
#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

/// The value behind `name` in a flat list of names and values.
const RespTree* value_of(const RespTree& list, std::string_view name) {
  for (size_t i = 0; i + 1 < list.elements.size(); i += 2) {
    if (list.elements[i].text == name) return &list.elements[i + 1];
  }
  return nullptr;
}

bool has_flag(const RespTree& function, std::string_view flag) {
  const RespTree* flags = value_of(function, "flags");
  return flags != nullptr &&
         std::ranges::find(flags->elements, flag, &RespTree::text) != flags->elements.end();
}

}  // namespace

bool has_function_flag(std::string_view reply, std::string_view function, std::string_view flag) {
  const auto libraries = parse_resp_tree(reply);
  if (!libraries.ok()) return false;
  for (const RespTree& library : libraries.value().elements) {
    const RespTree* functions = value_of(library, "functions");
    if (functions == nullptr) continue;
    for (const RespTree& one : functions->elements) {
      const RespTree* name = value_of(one, "name");
      if (name != nullptr && base::equal_ignoring_case(name->text, function)) {
        return has_flag(one, flag);
      }
    }
  }
  return false;
}

}  // namespace quorate::wire
