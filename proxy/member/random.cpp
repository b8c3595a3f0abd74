#include "proxy/member/random.h"

#include <openssl/rand.h>

#include "consensus/base/assert.h"

namespace quorate::member {

uint64_t random_number() {
  uint64_t number = 0;
  ASSERT(RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) == 1);
  return number;
}

cluster::Nonce random_nonce() { return {random_number(), random_number() | 1}; }

}  // namespace quorate::member
