# quorate. `make run` shows it working, `make test` tests it; the rest is listed by `make help`.
.DEFAULT_GOAL := help
.PHONY: help deps deps-test build run test bench sim mutations soak format \
  bench-cluster format-check lint clean

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SOURCES := $(shell git ls-files '*.h' '*.cpp')

# What the program is built from, and the servers that `make run` puts behind it.
PACKAGES := g++ cmake ninja-build ccache pkg-config libuv1-dev libhiredis-dev libmemcached-dev \
  libhashkit-dev libtomlplusplus-dev libcli11-dev libfmt-dev libspdlog-dev nlohmann-json3-dev \
  libxxhash-dev libssl-dev libyaml-cpp-dev libhttp-parser-dev doctest-dev librapidcheck-dev \
  redis-server redis-tools memcached
# What the tests, the benchmark and the checks need besides: peers, client libraries, clang.
TEST_PACKAGES := git python3 nutcracker haproxy python3-redis python3-pylibmc python3-pymemcache \
  libmemcached-tools prometheus clang clang-format clang-tidy libclang-rt-14-dev \
  gnuplot-nox valgrind curl
# What other people's tests take besides.
SUITE_PACKAGES := tcl perl python3-pytest python3-pytest-asyncio python3-pytest-timeout python3-numpy
# Of the integration tests, those that also run under sanitizers.
PROCESS_TESTS := 'integration/(life|backends|outcomes|handshake)$$'
# Debian starts no service of a package that is installed while RUNLEVEL says 1.
INSTALL := $(SUDO) env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
  --no-install-recommends
# Installs what is missing of $(1); nothing is asked of the network if nothing is.
install = @missing=$$(for p in $(1); do \
    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
  [ -z "$$missing" ] || { $(SUDO) apt-get update -qq && $(INSTALL) $$missing; }

help:
	@sed -n 's/^#: //p' Makefile

#: make run        install what is needed, build, start real servers with a proxy in front, show it
run: deps build
	build/quorate playground

#: make test       every test: fuzzers for a while, under sanitizers, and the program as users run it
test: deps deps-test
	cmake --preset release
	cmake --build build
	cmake --preset fuzz
	cmake --build build-fuzz --target fuzzers
	cmake --preset asan
	cmake --build build-asan
	cmake --preset tsan
	cmake --build build-tsan --target quorate
	ctest --test-dir build-fuzz -j2 --output-on-failure
	ctest --test-dir build-asan -LE integration -j2 --output-on-failure
	ctest --test-dir build-asan -R $(PROCESS_TESTS) -j2 --output-on-failure
	ctest --test-dir build-tsan -R $(PROCESS_TESTS) -j2 --output-on-failure
	ctest --test-dir build -j2 --output-on-failure

#: make build      the program, at build/quorate
build: build/build.ninja
	cmake --build build --target quorate

build/build.ninja: CMakeLists.txt CMakePresets.json
	cmake --preset release

#: make deps       the Debian packages that building and `make run` take
deps:
	$(call install,$(PACKAGES))

#: make deps-test  those that the tests and the benchmark take besides
deps-test:
	$(call install,$(TEST_PACKAGES))
	@command -v npm > /dev/null || { $(SUDO) apt-get update -qq && $(INSTALL) nodejs npm; }
	@cd tests/integration/clients && \
	  [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund

#: make bench      quorate side by side with nutcracker, haproxy and no proxy: bench/results/
#:                 (15 minutes; BENCH=quick: 2; BENCH=check: only, did the instructions grow?)
bench: deps deps-test
	cmake --preset release -DQUORATE_BENCH=ON
	cmake --build build --target quorate memcached_load placement_bench
	/usr/bin/python3 -B bench/side_by_side --build build --mode $(or $(BENCH),full)

SEED ?= 1
SOAK_SEEDS ?= 100000
SOAK_GROUP_SEEDS ?= 10000
SOAK_REPLICATE_SEEDS ?= 1000000
SOAK_OPERATIONS ?= 60000000
SOAK_FROM ?= 1000000

#: make sim SEED=n one simulated world of the Raft group; VERBOSE=1 tells everything that happens
sim: build/build.ninja
	@cmake --build build --target raft_simulation > /dev/null
	@build/raft_simulation --seed $(SEED) $(if $(VERBOSE),--verbose)

#: make bench-cluster   a cluster's changes per second; how soon 20 sidecars act on a dead backend, beside
#:                 Redis Sentinel; how soon dead leaders and proxies are noticed (20 minutes)
bench-cluster: deps deps-test build
	/usr/bin/python3 -B bench/cluster --build build --mode $(or $(BENCH),full)

.PHONY: bench-quorum
#: make bench-quorum    what a pool with three replicas costs beside one without, beside SET and WAIT on
#:                 plain Redis; how long clients wait when proxies and servers die; what is lost under the load
#:                 that shows Redis Cluster to lose writes (35 minutes)
bench-quorum: deps deps-test
	cmake --preset release -DQUORATE_BENCH=ON
	cmake --build build --target quorate replicated_load
	/usr/bin/python3 -B bench/quorum --build build --mode $(or $(BENCH),full)

.PHONY: suites
#: make suites     Redis', memcached's and redis-py's own tests, fetched from Debian's sources, against the
#:                 servers and through build/quorate: tables, and each test that differs (40 minutes)
suites: deps deps-test build
	$(call install,$(SUITE_PACKAGES))
	QUORATE=$(CURDIR)/build/quorate /usr/bin/python3 -B tests/suites/redis_suite.py --sources build/suites
	QUORATE=$(CURDIR)/build/quorate /usr/bin/python3 -B tests/suites/memcached_suite.py --sources build/suites
	QUORATE=$(CURDIR)/build/quorate /usr/bin/python3 -B tests/suites/redis_py_suite.py --sources build/suites

.PHONY: replicate-sim
#: make replicate-sim SEED=n  the same for replicated pools: proxies, backends, histories of keys
#:                 (MIX=name: of one family of worlds, as tests/simulation/replicate/profile.h has them)
replicate-sim: build/build.ninja
	@cmake --build build --target replicate_simulation > /dev/null
	@build/replicate_simulation --seed $(SEED) $(if $(MIX),--mix $(MIX)) $(if $(VERBOSE),--verbose)

.PHONY: group-sim
#: make group-sim SEED=n  the same for the layer above: voters, observers, backends that fail
group-sim: build/build.ninja
	@cmake --build build --target group_simulation > /dev/null
	@build/group_simulation --seed $(SEED) $(if $(VERBOSE),--verbose)

#: make mutations  plant faults in the Raft group, its storage and versioned writes, and show which
#:                 tests notice
mutations: build/build.ninja
	@cmake --build build --target mutations replicate_mutations > /dev/null
	@build/mutations
	@build/replicate_mutations

#: make soak       a hundred thousand simulated worlds of the Raft group, ten thousand of the layer
#:                 above, a million of replicated pools; the same traces with gcc and clang; what the
#:                 simulator believes of a backend against a real one, 300,000 times for each script;
#:                 real processes: for two minutes fifty observers that follow, five voters whose
#:                 leaders die and are cut off; for ten minutes a quorum pool whose servers and proxies
#:                 die, freeze, are replaced; and the faults of versioned writes
soak: build/build.ninja
	@cmake --build build --target raft_simulation group_simulation replicate_simulation \
	  replicate_mutations acceptor_differential_test quorate > /dev/null
	@tests/simulation/raft/compilers.sh build 500
	@tests/simulation/raft/compilers.sh build 100 group_simulation
	@tests/simulation/raft/soak.sh build/raft_simulation $(SOAK_FROM) $(SOAK_SEEDS)
	@tests/simulation/raft/soak.sh build/group_simulation $(SOAK_FROM) $(SOAK_GROUP_SEEDS)
	@tests/simulation/raft/soak.sh build/replicate_simulation $(SOAK_FROM) $(SOAK_REPLICATE_SEEDS)
	@build/acceptor_differential_test --operations $(SOAK_OPERATIONS)
	@QUORATE=build/quorate /usr/bin/python3 -B tests/integration/cluster_soak.py
	@QUORATE=build/quorate /usr/bin/python3 -B tests/integration/quorum_soak.py
	@build/replicate_mutations

#: make format     put the sources in the house's format
format:
	@clang-format -i $(SOURCES)

format-check:
	@clang-format --dry-run -Werror $(SOURCES)

#: make lint       clang-tidy over the program's sources
lint:
	cmake --preset debug
	git ls-files 'proxy/*.cpp' 'backends/*.cpp' 'consensus/*.cpp' | \
	  xargs -P 2 -n 4 clang-tidy -p build-debug --quiet --extra-arg=-Wno-unknown-warning-option

clean:
	rm -rf build build-*
