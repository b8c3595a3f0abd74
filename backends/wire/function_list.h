// What FUNCTION LIST answers, in RESP2, as far as the proxy asks: whether a function has a flag.
#pragma once

#include <string_view>

namespace quorate::wire {

/// False also if there is no such function, or the reply is no list of libraries. Names of
/// functions are told apart as a server does, without regard to case.
bool has_function_flag(std::string_view reply, std::string_view function, std::string_view flag);

}  // namespace quorate::wire
