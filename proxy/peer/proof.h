// Proof: that a peer knows the cluster's secret, without saying it. HMAC-SHA256 over both hellos of
// the connection, so that a proof fits no other connection, and over the side that gives it, so
// that it cannot be sent back to where it came from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quorate::peer {

inline constexpr size_t kProofBytes = 32;

enum class Side : bool { kDialer, kListener };

/// Empty if the secret is.
std::string prove(std::string_view secret, Side side, std::string_view dialer_hello,
                  std::string_view listener_hello);

/// Compares in a time that does not tell where two proofs differ.
bool same_proof(std::string_view given, std::string_view wanted);

}  // namespace quorate::peer
