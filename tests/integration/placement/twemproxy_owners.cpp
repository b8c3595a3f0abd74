// For nutcracker_test.py only: says where keys lie by a configuration of twemproxy's.
//
//   twemproxy_owners FILE                     the imported TOML; exit 1 and its errors if there is
//   none twemproxy_owners FILE POOL [NAME...]      for each key on standard input, one a line in
//   hexadecimal,
//                                             its owner's address; servers called NAME are off the
//                                             ring
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/placement.h"
#include "proxy/config/twemproxy_import.h"
#include "proxy/config/twemproxy_pool.h"

namespace {

using namespace quorate;

int print_import(const std::string& yaml, const char* file) {
  const auto toml = config::import_twemproxy(yaml, file);
  if (toml) {
    std::cout << toml.value();
    return 0;
  }
  std::cerr << config::render(config::diagnostics_of(toml.error(), yaml, file),
                              config::Colour::kNever);
  return 1;
}

std::string bytes_of(std::string_view hexadecimal) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hexadecimal.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hexadecimal.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

int print_owners(const config::TwemproxyPool& pool, std::span<char*> off_the_ring) {
  auto members = pool.members();
  for (const std::string_view name : off_the_ring) {
    const auto found = std::ranges::find(members, name, &cluster::PlacementMember::name);
    if (found == members.end()) {
      std::cerr << "no server is called " << name << "\n";
      return 2;
    }
    found->on_ring = false;
  }
  const auto placement = cluster::Placement::build(pool.rules(), members);
  base::Random random(1);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << pool.servers[placement.owner(bytes_of(line), random)].address << "\n";
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  std::ifstream file(arguments[1]);
  const std::string yaml((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (count == 2) return print_import(yaml, arguments[1]);

  const auto pools = config::read_twemproxy(yaml);
  if (!pools) return print_import(yaml, arguments[1]);
  const auto pool = std::ranges::find(pools.value(), arguments[2], &config::TwemproxyPool::name);
  if (pool == pools.value().end()) return 2;
  return print_owners(*pool, std::span(arguments, static_cast<size_t>(count)).subspan(3));
}
