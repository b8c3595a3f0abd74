// Runs conversations: text files of commands, each followed by the transcript that is expected.
//
//   raft_conversations FILE...            compares; prints the differences
//   raft_conversations --rewrite FILE...  writes what happened into the files; review it as code
//
// In a file: `#` begins a comment; a paragraph is one or more commands, a line `----`, and the
// expected lines up to a blank line. Each file begins with a fresh group. The commands:
//
//   voters 1 2 3 [learners 4 5j]    founders and learners of a new group (j: joining), all running
//   start 4                         a member with an empty disk
//   log 1 term 8: 1 1 4 4           restart with this log (terms) in this term
//   crash 1 · restart 1
//   timeout 1                       time passes until 1 wants on_time, and only 1 is told
//   pass 300                        milliseconds pass, nobody is told
//   run 300                         milliseconds pass for everybody, messages are delivered at once
//   propose 1 text · read 1 · transfer 1 2 · snapshot 1 · unreachable 1 2
//   change 1 add 4 | join 4 | promote 4 | remove 2 ...
//   deliver [1 2] · settle · drop [1 2] · repeat 1 2 · reverse 1 2
//   cut 1 2 | cut 1>2 | isolate 1 | heal
//   hold-disk 1 · release-disk 1
//   limit piece|message|in-flight|trailing|command|uncommitted|apply N
//   quietly COMMAND                 without messages and writes in the transcript
//   show                            every member: role, term, commit, applied, configuration, log
#include <fstream>
#include <iostream>
#include <sstream>

#include "consensus/base/text.h"
#include "tests/conversation/raft/group.h"
#include "tests/conversation/raft/words.h"

namespace quorate::conversation {
namespace {

using raft::Change;
using raft::Configuration;
using Words = std::vector<std::string>;

struct BadCommand {
  std::string what;
};

Words words_of(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

uint64_t number_in(const std::string& word) {
  const auto value = base::parse_integer<uint64_t>(word);
  if (!value) throw BadCommand{"not a number: " + word};
  return *value;
}

MemberId id_in(const std::string& word) { return MemberId{number_in(word)}; }

class Script {
 public:
  /// Returns the transcript.
  std::string run(const std::string& line) {
    Words words = words_of(line);
    const bool quietly = words.at(0) == "quietly";
    if (quietly) words.erase(words.begin());
    group_.be_quiet(quietly);
    try {
      run_words(words);
    } catch (const BadCommand& bad) {
      return bad.what + "\n";
    } catch (const std::out_of_range&) {
      return "a word is missing, or a member is: " + line + "\n";
    }
    return group_.take_transcript();
  }

 private:
  void run_words(const Words& w) {
    const std::string& command = w.at(0);
    if (command == "voters") return voters(w);
    if (command == "log") return log(w);
    if (command == "change") return group_.change(id_in(w.at(1)), change_in(w));
    if (command == "limit") return limit(w.at(1), number_in(w.at(2)));
    if (command == "show") return show();
    if (command == "cut") return cut(w);
    if (command == "heal") return group_.heal();
    if (command == "settle") return group_.settle();
    if (command == "pass") return group_.pass(std::chrono::milliseconds(number_in(w.at(1))));
    if (command == "run") return group_.run(std::chrono::milliseconds(number_in(w.at(1))));
    if (command == "deliver" && w.size() == 1) return group_.deliver();
    if (command == "drop" && w.size() == 1) return group_.drop();
    const MemberId id = id_in(w.at(1));
    if (command == "isolate") return isolate(id);
    if (command == "start") return group_.start_empty(id);
    if (command == "crash") return group_.crash(id);
    if (command == "restart") return group_.restart(id);
    if (command == "timeout") return group_.time_out(id);
    if (command == "propose") return group_.propose(id, w.at(2));
    if (command == "read") return group_.read(id);
    if (command == "snapshot") return group_.snapshot(id);
    if (command == "hold-disk") return group_.hold_disk(id);
    if (command == "release-disk") return group_.release_disk(id);
    if (command == "transfer") return group_.transfer(id, id_in(w.at(2)));
    if (command == "unreachable") return group_.connection_lost(id, id_in(w.at(2)));
    if (command == "deliver") return group_.deliver(id, id_in(w.at(2)));
    if (command == "drop") return group_.drop(id, id_in(w.at(2)));
    if (command == "repeat") return group_.repeat(id, id_in(w.at(2)));
    if (command == "reverse") return group_.reverse(id, id_in(w.at(2)));
    throw BadCommand{"no such command: " + command};
  }

  void voters(const Words& w) {
    configuration_ = {};
    bool learners = false;
    for (size_t i = 1; i < w.size(); ++i) {
      if (w[i] == "learners") {
        learners = true;
        continue;
      }
      const bool joining = w[i].back() == 'j';
      const MemberId id = id_in(joining ? w[i].substr(0, w[i].size() - 1) : w[i]);
      configuration_.addresses[id] = "member-" + say(id);
      if (learners) {
        configuration_.learners.push_back({id, joining});
      } else {
        configuration_.voters.push_back(id);
      }
    }
    for (const MemberId id : configuration_.members()) {
      group_.start_founder(id, configuration_);
    }
  }

  void log(const Words& w) {
    const MemberId id = id_in(w.at(1));
    std::string term = w.at(3);
    term.pop_back();  // the colon
    std::vector<Term> terms;
    for (size_t i = 4; i < w.size(); ++i) terms.push_back(number_in(w[i]));
    group_.crash(id);
    group_.start_with_log(id, configuration_, terms, number_in(term));
  }

  Change change_in(const Words& w) {
    Change change;
    for (size_t i = 2; i + 1 < w.size(); i += 2) {
      const MemberId id = id_in(w[i + 1]);
      const std::string address = "member-" + say(id);
      if (w[i] == "add") {
        change.emplace_back(raft::AddLearner{id, address, false});
      } else if (w[i] == "join") {
        change.emplace_back(raft::AddLearner{id, address, true});
      } else if (w[i] == "promote") {
        change.emplace_back(raft::Promote{id});
      } else if (w[i] == "remove") {
        change.emplace_back(raft::Remove{id});
      } else {
        throw BadCommand{"no such change: " + w[i]};
      }
    }
    return change;
  }

  void limit(const std::string& what, size_t value) {
    raft::Options& options = group_.options;
    if (what == "piece") options.snapshot_piece_bytes = value;
    if (what == "message") options.max_message_bytes = value;
    if (what == "in-flight") options.max_in_flight = value;
    if (what == "trailing") options.trailing_entries = value;
    if (what == "command") options.max_command_bytes = value;
    if (what == "uncommitted") options.max_uncommitted_bytes = value;
    if (what == "apply") options.max_apply_bytes = value;
  }

  void cut(const Words& w) {
    const size_t arrow = w.at(1).find('>');
    if (arrow != std::string::npos) {
      return group_.cut(id_in(w[1].substr(0, arrow)), id_in(w[1].substr(arrow + 1)));
    }
    group_.cut(id_in(w[1]), id_in(w.at(2)));
    group_.cut(id_in(w[2]), id_in(w[1]));
  }

  void isolate(MemberId id) {
    for (const MemberId other : group_.members()) {
      group_.cut(id, other);
      group_.cut(other, id);
    }
  }

  void show() {
    for (const MemberId id : group_.members()) {
      group_.line(group_.running(id) ? describe(group_.core(id)) : say(id) + " down");
    }
  }

  static std::string describe(const raft::Raft& core) {
    const raft::Status status = core.status();
    const raft::Log& log = core.log();
    std::ostringstream text;
    text << say(status.self) << " " << to_string(status.role) << " term " << status.term
         << " commit " << status.commit << " " << say(core.configuration()) << " log";
    if (log.base_index() > 0) text << " (.." << log.base_index() << ")";
    for (Index i = log.base_index() + 1; i <= log.last_index(); ++i) text << " " << log.at(i)->term;
    return text.str();
  }

  Group group_;
  Configuration configuration_;
};

/// Commands, and what is expected of them.
struct Paragraph {
  std::vector<std::string> before;  ///< comments and blank lines
  std::vector<std::string> commands;
  std::string expected;
  size_t line = 0;
};

std::vector<Paragraph> parse(std::istream& in) {
  std::vector<Paragraph> paragraphs{{}};
  enum { kCommands, kExpected } part = kCommands;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    Paragraph& paragraph = paragraphs.back();
    if (part == kExpected) {
      if (line.empty()) {
        part = kCommands;
        paragraphs.emplace_back();
      } else {
        paragraph.expected += line + "\n";
      }
    } else if (line == "----") {
      part = kExpected;
    } else if (line.empty() || line.front() == '#') {
      paragraph.before.push_back(line);
    } else {
      if (paragraph.commands.empty()) paragraph.line = number;
      paragraph.commands.push_back(line);
    }
  }
  return paragraphs;
}

void print(const std::string& text, const char* prefix) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) std::cout << prefix << line << "\n";
}

/// Returns how many paragraphs were not as expected.
size_t run_file(const std::string& name, bool rewrite) {
  std::ifstream in(name);
  if (!in) {
    std::cout << name << ": cannot be read\n";
    return 1;
  }
  const std::vector<Paragraph> paragraphs = parse(in);
  Script script;
  std::ostringstream rewritten;
  size_t different = 0;
  for (const Paragraph& paragraph : paragraphs) {
    for (const std::string& line : paragraph.before) rewritten << line << "\n";
    if (paragraph.commands.empty()) continue;
    std::string actual;
    for (const std::string& command : paragraph.commands) {
      rewritten << command << "\n";
      actual += script.run(command);
    }
    rewritten << "----\n" << actual << "\n";
    if (actual == paragraph.expected || rewrite) continue;
    ++different;
    std::cout << name << ":" << paragraph.line << ": not as expected\n";
    print(paragraph.expected, "  expected: ");
    print(actual, "  actual:   ");
  }
  if (rewrite) std::ofstream(name) << rewritten.str();
  return different;
}

}  // namespace
}  // namespace quorate::conversation

int main(int argc, char** argv) {
  std::vector<std::string> files(argv + 1, argv + argc);
  const bool rewrite = std::erase(files, "--rewrite") > 0;
  size_t different = 0;
  for (const std::string& file : files) {
    different += quorate::conversation::run_file(file, rewrite);
  }
  std::cout << files.size() << " conversations, " << different << " differences\n";
  return different == 0 && !files.empty() ? 0 : 1;
}
