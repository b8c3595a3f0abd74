#include "proxy/member/joining.h"

#include <nlohmann/json.hpp>

namespace quorate::member {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Calls read(json); what is missing or of another type is an error, as is an "error" in it.
template <class Value, class Read>
base::Result<Value, std::string> decode(const std::string& text, Read read) {
  const Json json = Json::parse(text, nullptr, false);
  try {
    if (json.is_object() && json.contains("error")) {
      return base::Failure{json.at("error").get<std::string>()};
    }
    return read(json);
  } catch (const nlohmann::json::exception&) {
    return base::Failure{std::string("not understood: another version?")};
  }
}

template <class Value>
std::optional<Value> optional_at(const Json& json, const char* key) {
  if (json.at(key).is_null()) return std::nullopt;
  return json.at(key).get<Value>();
}

template <class Value>
Json json_of(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::string encode(const Question& question) {
  Json json;
  if (const auto* one = std::get_if<Register>(&question)) {
    json = {{"op", "register"}, {"name", one->name}, {"address", one->address}};
  } else if (const auto* two = std::get_if<Admit>(&question)) {
    json = {{"op", "admit"},
            {"id", raft::number(two->id)},
            {"address", two->address},
            {"joining", two->joining}};
  } else {
    json = {{"op", "members"}};
  }
  return text_of(json);
}

base::Result<Question, std::string> decode_question(const std::string& text) {
  return decode<Question>(text, [](const Json& json) -> base::Result<Question, std::string> {
    const auto op = json.at("op").get<std::string>();
    if (op == "register") {
      return Question(Register{json.at("name"), json.at("address")});
    }
    if (op == "admit") {
      return Question(Admit{raft::MemberId{json.at("id").get<uint64_t>()}, json.at("address"),
                            json.at("joining")});
    }
    if (op == "members") return Question(ListMembers{});
    return base::Failure{std::string("not understood: another version?")};
  });
}

std::string encode_error(const std::string& why) { return text_of({{"error", why}}); }

std::string encode_registered(const Identity& identity) {
  return text_of({{"id", raft::number(identity.id)},
                  {"name", identity.name},
                  {"cluster_high", identity.cluster.high},
                  {"cluster_low", identity.cluster.low}});
}

std::string encode_admitted() { return text_of({{"ok", true}}); }

std::string encode_table(const MemberTable& table) {
  Json rows = Json::array();
  for (const MemberRow& row : table.rows) {
    rows.push_back({{"name", row.name},
                    {"id", row.id},
                    {"address", row.address},
                    {"state", row.state},
                    {"applied", json_of(row.applied)},
                    {"behind", json_of(row.behind)},
                    {"last_contact", json_of(row.last_contact_seconds)}});
  }
  return text_of({{"term", table.term}, {"members", rows}});
}

base::Result<Identity, std::string> decode_registered(const std::string& text) {
  return decode<Identity>(text, [](const Json& json) -> base::Result<Identity, std::string> {
    return Identity{raft::MemberId{json.at("id").get<uint64_t>()},
                    {json.at("cluster_high"), json.at("cluster_low")},
                    json.at("name")};
  });
}

std::optional<std::string> decode_admitted(const std::string& text) {
  const auto done = decode<bool>(text, [](const Json& json) -> base::Result<bool, std::string> {
    return json.at("ok").get<bool>();
  });
  if (done) return std::nullopt;
  return done.error();
}

base::Result<MemberTable, std::string> decode_table(const std::string& text) {
  return decode<MemberTable>(text, [](const Json& json) -> base::Result<MemberTable, std::string> {
    MemberTable table;
    table.term = json.at("term");
    for (const Json& row : json.at("members")) {
      table.rows.push_back({row.at("name"), row.at("id"), row.at("address"), row.at("state"),
                            optional_at<uint64_t>(row, "applied"),
                            optional_at<uint64_t>(row, "behind"),
                            optional_at<double>(row, "last_contact")});
    }
    return table;
  });
}

}  // namespace quorate::member
