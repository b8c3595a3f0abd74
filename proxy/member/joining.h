// What a process that is no member yet asks a member, and what members ask each other on behalf of
// an operator: one JSON object each way (frame kinds kRequest and kResponse).
//
//   {"op":"register","name":"d","address":"10.0.0.4:7400"}   -> {"id":4,"cluster":"…"}
//   {"op":"admit","id":4,"address":…,"joining":true}         -> {"ok":true}
//   {"op":"members"}                                         -> {"term":3,"members":[…]}
//   anything that is not done                                -> {"error":"a sentence"}
//
// A newcomer first gets a number, keeps it on disk, starts, and only then asks to be admitted: so
// a number never belongs to two disks. A member that has lost its disk has to be removed first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "consensus/base/result.h"
#include "proxy/member/identity_file.h"
#include "proxy/member/membership.h"

namespace quorate::member {

struct Register {
  std::string name;
  std::string address;
};
struct Admit {
  raft::MemberId id{};
  std::string address;
  bool joining = true;  ///< to vote as soon as it has caught up
};
struct ListMembers {};
using Question = std::variant<Register, Admit, ListMembers>;

std::string encode(const Question& question);
/// Errors: a sentence for who asked.
base::Result<Question, std::string> decode_question(const std::string& text);

std::string encode_error(const std::string& why);
std::string encode_registered(const Identity& identity);
std::string encode_admitted();
std::string encode_table(const MemberTable& table);

base::Result<Identity, std::string> decode_registered(const std::string& text);
/// Nothing: admitted. Otherwise why not.
std::optional<std::string> decode_admitted(const std::string& text);
base::Result<MemberTable, std::string> decode_table(const std::string& text);

}  // namespace quorate::member
