// Requests and answers of acceptors that outlive what their views were of: for tests in which they
// lie on the way.
#pragma once

#include <deque>
#include <string>
#include <type_traits>
#include <variant>

#include "backends/redis/acceptor.h"

namespace quorate::test {

namespace acceptor = redis::acceptor;

/// A request whose views are its own.
struct OwnedRequest {
  acceptor::Request request;
  std::deque<std::string> texts;

  explicit OwnedRequest(const acceptor::Request& from) : request(from) {
    own(request.target.key);
    std::visit([this](auto& what) { own_all(what); }, request.what);
  }
  OwnedRequest(const OwnedRequest&) = delete;
  OwnedRequest& operator=(const OwnedRequest&) = delete;
  void own(std::string_view& text) {
    texts.emplace_back(text);
    text = texts.back();
  }
  template <class What>
  void own_all(What& what) {
    if constexpr (std::is_same_v<What, acceptor::Full>) {
      own(what.recorded);
      own(what.payload);
    } else if constexpr (std::is_same_v<What, acceptor::Delta> ||
                         std::is_same_v<What, acceptor::Read>) {
      own(what.arguments);
    } else if constexpr (std::is_same_v<What, acceptor::Scan>) {
      own(what.cursor);
    }
  }
};

/// An answer whose views are its own. Not copied: they would be the other one's.
struct OwnedAnswer {
  acceptor::Answer answer;
  std::string reply;
  std::string state;
  std::string meta_reply;
  std::string cursor;

  explicit OwnedAnswer(const acceptor::Answer& from)
      : answer(from),
        reply(from.reply),
        state(from.state),
        meta_reply(from.meta.reply),
        cursor(from.cursor) {
    answer.reply = reply;
    answer.state = state;
    answer.meta.reply = meta_reply;
    answer.cursor = cursor;
  }
  OwnedAnswer(const OwnedAnswer&) = delete;
  OwnedAnswer& operator=(const OwnedAnswer&) = delete;
};

}  // namespace quorate::test
