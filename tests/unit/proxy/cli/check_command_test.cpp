// `quorate check`, as its caller sees it: what goes where, and how it exits. With real servers.

#include "proxy/cli/check_command.h"

#include <doctest/doctest.h>

#include <chrono>
#include <sstream>

#include "tests/unit/proxy/cli/real_server.h"

namespace quorate::cli::testing {
namespace {

struct Outcome {
  int exit_code = 0;
  std::string out;
  std::string err;
};

Outcome check(CheckOptions options) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run_check(options, out, err);
  return {exit_code, out.str(), err.str()};
}

constexpr std::string_view kGood =
    "[pool.a]\nprotocol = \"redis\"\nlisten = \"127.0.0.1:7000\"\n"
    "backends = [\"127.0.0.1:6379\", \"127.0.0.1:6380\"]\n";

/// A pool of one backend, given as an inline table's content.
/// `patience`: short where an answer will never come, long where it may only be late.
std::string pool(const std::string& name, const std::string& protocol, const std::string& backend,
                 const std::string& patience = "2s") {
  return "[pool." + name + "]\nprotocol = \"" + protocol + "\"\nlisten = \"unix:/run/" + name +
         "\"\nconnect_timeout = \"" + patience + "\"\nbackends = [{ " + backend + " }]\n";
}

std::string at(const std::string& socket) { return "address = \"unix:" + socket + "\""; }

/// Whether a pool's line in plain output ends in `state` (or begins its last field with it).
bool says(const std::string& out, const std::string& pool, const std::string& state) {
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(pool + "\t")) continue;
    return line.substr(line.rfind('\t') + 1).starts_with(state);
  }
  return false;
}

}  // namespace

TEST_CASE("a valid file is said to be valid, and nothing else") {
  const TemporaryFolder folder;
  folder.write("q.toml", std::string(kGood));
  const Outcome outcome = check({.file = folder.path("q.toml")});
  CHECK(outcome.exit_code == kExitOk);
  CHECK(outcome.out == folder.path("q.toml") + ": valid, 1 pool, 2 backends\n");
  CHECK(outcome.err.empty());
}

TEST_CASE("errors go to the error stream, counted, and nothing to the other") {
  const TemporaryFolder folder;
  folder.write("q.toml",
               "worker = 1\nlevle = 1\n[admin]\nlisten = \"0.0.0.0:9180\"\n" + std::string(kGood));
  const Outcome outcome = check({.file = folder.path("q.toml"), .print = true, .online = true});
  CHECK(outcome.exit_code == kExitConfiguration);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find(":1:1: error: unknown key \"worker\"") != std::string::npos);
  CHECK(outcome.err.find(":2:1: error: unknown key \"levle\"") != std::string::npos);
  CHECK(outcome.err.find(":4:10: warning: ") != std::string::npos);
  CHECK(outcome.err.ends_with("q.toml: 2 errors, 1 warning\n"));
  CHECK(outcome.err.find('\x1B') == std::string::npos);
}

TEST_CASE("warnings are shown and do not count") {
  const TemporaryFolder folder;
  folder.write("q.toml", "[admin]\nlisten = \"0.0.0.0:9180\"\n" + std::string(kGood));
  const Outcome outcome = check({.file = folder.path("q.toml")});
  CHECK(outcome.exit_code == kExitOk);
  CHECK(outcome.out.find("valid") != std::string::npos);
  CHECK(outcome.err.ends_with("q.toml: 1 warning\n"));
}

TEST_CASE("colour is used when it is asked for") {
  const TemporaryFolder folder;
  folder.write("q.toml", "worker = 1\n");
  const Outcome outcome = check({.file = folder.path("q.toml"), .colour = config::Colour::kAlways});
  CHECK(outcome.err.find("\x1B[1;31merror:") != std::string::npos);
}

TEST_CASE("a missing name is a matter of usage, a missing file one of configuration") {
  CHECK(check({}).exit_code == kExitUsage);
  const TemporaryFolder folder;
  const Outcome outcome = check({.file = folder.path("absent.toml")});
  CHECK(outcome.exit_code == kExitConfiguration);
  CHECK(outcome.err.find("absent.toml: error: cannot read this file: No such file") !=
        std::string::npos);
}

TEST_CASE("the settings are printed as TOML that says the same") {
  const TemporaryFolder folder;
  folder.write("q.toml", std::string(kGood));
  const Outcome first = check({.file = folder.path("q.toml"), .print = true});
  CHECK(first.exit_code == kExitOk);
  CHECK(first.err.empty());
  folder.write("printed.toml", first.out);
  const Outcome second = check({.file = folder.path("printed.toml"), .print = true});
  CHECK(second.exit_code == kExitOk);
  CHECK(second.out == first.out);
}

TEST_CASE("online, every backend is visited, and one problem is a failure") {
  const TemporaryFolder folder;
  const RealServer plain = start_redis(folder, "plain");
  const RealServer locked = start_redis(
      folder, "locked",
      {"--requirepass", "hunter2", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "10mb"});
  const RealServer replica = start_redis(folder, "replica", {"--replicaof", "127.0.0.1", "1"});
  const RealServer cluster = start_redis(
      folder, "cluster",
      {"--cluster-enabled", "yes", "--bind", "127.0.0.1", "--cluster-port", free_port()});
  const RealServer frozen = start_redis(folder, "frozen");
  const RealServer memcached = start_memcached(folder, "memcached");
  const RealServer stuck = start_memcached(folder, "stuck");
  frozen.freeze();
  stuck.freeze();

  folder.write("good.toml",
               pool("plain", "redis", at(plain.socket()) + ", db = 3") +
                   pool("locked", "redis", at(locked.socket()) + ", password = \"hunter2\"") +
                   pool("user", "redis",
                        at(locked.socket()) + ", user = \"default\", password = \"hunter2\"") +
                   pool("memcached", "memcached", at(memcached.socket())));
  const Outcome good = check({.file = folder.path("good.toml"), .online = true});
  CHECK(good.exit_code == kExitOk);
  CHECK(good.err.empty());
  for (const char* name : {"plain", "locked", "user", "memcached"}) {
    CHECK_MESSAGE(says(good.out, name, "ok"), good.out);
  }
  CHECK(good.out.find("\tmaster\tnoeviction\tok\n") != std::string::npos);
  CHECK(good.out.find("\tmaster\tallkeys-lru\tok\n") != std::string::npos);
  CHECK(good.out.find("hunter2") == std::string::npos);

  folder.write("bad.toml", pool("plain", "redis", at(plain.socket())) +
                               pool("db", "redis", at(plain.socket()) + ", db = 99") +
                               pool("none", "redis", at(locked.socket())) +
                               pool("wrong", "redis", at(locked.socket()) + ", password = \"x\"") +
                               pool("replica", "redis", at(replica.socket())) +
                               pool("cluster", "redis", at(cluster.socket())) +
                               pool("frozen", "redis", at(frozen.socket()), "300ms") +
                               pool("absent", "redis", at(folder.path("absent"))) +
                               pool("m-stuck", "memcached", at(stuck.socket()), "300ms") +
                               pool("m-sasl", "memcached",
                                    at(memcached.socket()) + ", user = \"u\", password = \"p\"") +
                               pool("m-redis", "memcached", at(plain.socket())) +
                               pool("r-memcached", "redis", at(memcached.socket())) +
                               pool("m-absent", "memcached", at(folder.path("absent"))));
  const auto begin = std::chrono::steady_clock::now();
  const Outcome bad = check({.file = folder.path("bad.toml"), .online = true});
  CHECK(bad.exit_code == kExitFailed);
  INFO(bad.out);
  CHECK(says(bad.out, "plain", "ok"));
  CHECK(says(bad.out, "db", "SELECT: ERR DB index is out of range"));
  CHECK(says(bad.out, "none", "PING: NOAUTH"));
  CHECK(says(bad.out, "wrong", "AUTH: WRONGPASS"));
  CHECK(says(bad.out, "replica", "is a replica of 127.0.0.1:1: writes are refused"));
  CHECK(says(bad.out, "cluster", "runs in cluster mode"));
  CHECK(says(bad.out, "frozen", "PING: no answer within 300ms"));
  CHECK(says(bad.out, "absent", "cannot connect: No such file or directory"));
  CHECK(says(bad.out, "m-stuck", "version: no answer within 300ms"));
  CHECK(says(bad.out, "m-absent", "cannot connect: No such file or directory"));
  CHECK(says(bad.out, "m-sasl", "SASL: is not enabled there"));
  CHECK(says(bad.out, "m-redis", "version: -ERR unknown command"));
  CHECK(says(bad.out, "r-memcached", "PING: "));
  // The two that are frozen are waited for at the same time.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));

  const Outcome table = check({.file = folder.path("good.toml"), .online = true, .table = true});
  CHECK(table.out.starts_with("POOL       BACKEND"));
  CHECK(table.out.find('\t') == std::string::npos);
}

TEST_CASE("online, a port that is closed and one that keeps silent are told apart") {
  const TemporaryFolder folder;
  const SilentListener silent;
  const std::string closed = "address = \"127.0.0.1:" + free_port() + "\"";
  const std::string open = "address = \"127.0.0.1:" + silent.port() + "\"";
  folder.write(
      "q.toml",
      pool("r-silent", "redis", open, "300ms") + pool("r-closed", "redis", closed) +
          pool("m-silent", "memcached", open, "300ms") + pool("m-closed", "memcached", closed) +
          pool("s-silent", "memcached", open + ", user = \"u\", password = \"p\"", "300ms"));
  const Outcome outcome = check({.file = folder.path("q.toml"), .online = true});
  INFO(outcome.out);
  CHECK(outcome.exit_code == kExitFailed);
  CHECK(says(outcome.out, "r-silent", "PING: no answer within 300ms"));
  CHECK(says(outcome.out, "m-silent", "version: no answer within 300ms"));
  CHECK(says(outcome.out, "s-silent", "SASL: no answer within 300ms"));
  CHECK(says(outcome.out, "r-closed", "cannot connect: Connection refused"));
  CHECK(says(outcome.out, "m-closed", "cannot connect: Connection refused"));
}

TEST_CASE("online, memcached is asked for SASL PLAIN when there is a user") {
  const TemporaryFolder folder;
  const FakeSaslMemcached fake(folder.path("sasl"), std::string("\0app\0hunter2", 12));
  folder.write(
      "q.toml",
      pool("right", "memcached", at(fake.socket()) + ", user = \"app\", password = \"hunter2\"") +
          pool("wrong", "memcached", at(fake.socket()) + ", user = \"app\", password = \"x\""));
  const Outcome outcome = check({.file = folder.path("q.toml"), .online = true});
  CHECK(outcome.exit_code == kExitFailed);
  CHECK_MESSAGE(says(outcome.out, "right", "ok"), outcome.out);
  CHECK(outcome.out.find("\t1.6.18\t") != std::string::npos);
  CHECK_MESSAGE(says(outcome.out, "wrong", "SASL: user or password refused"), outcome.out);
}

TEST_CASE("online, an address from outside is not shown") {
  const TemporaryFolder folder;
  CheckOptions options{.file = folder.path("q.toml"), .online = true};
  options.environment.variable = [&](const std::string&) {
    return "unix:" + folder.path("hidden");
  };
  folder.write("q.toml",
               "[pool.a]\nprotocol = \"redis\"\nlisten = \"unix:/run/a\"\n"
               "backends = [\"${env:WHERE}\"]\n");
  const Outcome outcome = check(options);
  CHECK(outcome.exit_code == kExitFailed);
  CHECK(outcome.out == "a\t(secret)\t-\t-\t-\tcannot connect: No such file or directory\n");
}

}  // namespace quorate::cli::testing
