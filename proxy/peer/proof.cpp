#include "proxy/peer/proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "consensus/base/assert.h"
#include "consensus/raft/bytes.h"

namespace quorate::peer {

std::string prove(std::string_view secret, Side side, std::string_view dialer_hello,
                  std::string_view listener_hello) {
  if (secret.empty()) return {};
  std::string proven(side == Side::kDialer ? "quorate dialer" : "quorate listener");
  raft::put_bytes(proven, dialer_hello);
  raft::put_bytes(proven, listener_hello);
  std::string proof(kProofBytes, '\0');
  unsigned size = 0;
  const unsigned char* done =
      HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(proven.data()), proven.size(),
           reinterpret_cast<unsigned char*>(proof.data()), &size);
  ASSERT(done != nullptr && size == kProofBytes);
  return proof;
}

bool same_proof(std::string_view given, std::string_view wanted) {
  return given.size() == wanted.size() &&
         CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace quorate::peer
