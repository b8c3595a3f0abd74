# quorate. `make run` shows it working, `make test` tests it; the rest is listed by `make help`.
.DEFAULT_GOAL := help
.PHONY: help deps deps-test build run test test-sanitizers fuzz bench format format-check lint clean

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SOURCES := $(shell git ls-files '*.h' '*.cpp')

help:
	@sed -n 's/^#: //p' Makefile

#: make run        build, start real servers with a proxy in front, show it working
run: deps build
	build/quorate playground

#: make test       build and run every test
test: build
	ctest --test-dir build --output-on-failure -j2

#: make build      the program, at build/quorate
build: build/build.ninja
	cmake --build build

build/build.ninja: CMakeLists.txt CMakePresets.json
	cmake --preset release

#: make bench      quorate side by side with nutcracker, haproxy and no proxy: bench/results/
#:                 (15 minutes; BENCH=quick: 2; BENCH=check: only, did the instructions grow?)
bench:
	cmake --preset release -DQUORATE_BENCH=ON
	cmake --build build --target quorate memcached_load placement_bench
	/usr/bin/python3 -B bench/side_by_side --build build --mode $(or $(BENCH),full)

#: make format     put the sources in the house's format
format:
	@clang-format -i $(SOURCES)

format-check:
	@clang-format --dry-run -Werror $(SOURCES)

#: make lint       clang-tidy over the program's sources
lint:
	cmake --preset debug
	git ls-files 'proxy/*.cpp' 'backends/*.cpp' 'consensus/*.cpp' | \
	  xargs -P 2 -n 4 clang-tidy -p build-debug --quiet

clean:
	rm -rf build build-*
