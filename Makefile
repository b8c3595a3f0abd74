# quorate: `make run` shows it working, `make test` tests it. Everything else is `make help`.
.PHONY: help deps deps-test build test run

help:
	@sed -n 's/^#: //p' Makefile

#: make deps       install what building and running needs (Debian packages)
build/build.ninja: CMakeLists.txt CMakePresets.json
	cmake --preset release

#: make build      build the program at build/quorate
build: build/build.ninja
	cmake --build build

#: make test       run every test
test: build
	ctest --test-dir build --output-on-failure

# ---- Raft: the deterministic simulation and its planted faults.
.PHONY: sim mutations soak
SEED ?= 1
SOAK_SEEDS ?= 100000
SOAK_FROM ?= 1000000

#: make sim SEED=n   one simulated world of the Raft group; VERBOSE=1 tells everything that happens
sim: build/build.ninja
	@cmake --build build --target simulation > /dev/null
	@build/simulation --seed $(SEED) $(if $(VERBOSE),--verbose)

#: make mutations  plant faults in the Raft core and its storage, and show which tests notice
mutations: build/build.ninja
	@cmake --build build --target mutations > /dev/null
	@build/mutations

#: make soak       a hundred thousand simulated worlds, on all cores; the same traces with gcc and clang
soak: build/build.ninja
	@cmake --build build --target simulation > /dev/null
	@tests/simulation/compilers.sh build 500
	@tests/simulation/soak.sh build/simulation $(SOAK_FROM) $(SOAK_SEEDS)
