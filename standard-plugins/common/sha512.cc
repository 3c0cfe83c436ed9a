// SPDX-License-Identifier: Apache-2.0
// Only for the names that the reference plugins make: they are the first digits of a SHA-512.
#define OPENSSL_SUPPRESS_DEPRECATED  // EVP would link its providers, megabytes, into a program that starts per call
#include "standard-plugins/common/sha512.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

namespace barewire::standard {

std::string sha512_hex(std::string_view bytes) {
  std::array<unsigned char, SHA512_DIGEST_LENGTH> digest{};
  SHA512_CTX context;
  SHA512_Init(&context);
  SHA512_Update(&context, bytes.data(), bytes.size());
  SHA512_Final(digest.data(), &context);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace barewire::standard
