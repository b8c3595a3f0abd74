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
