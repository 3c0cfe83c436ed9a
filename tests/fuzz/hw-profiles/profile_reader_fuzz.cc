// SPDX-License-Identifier: Apache-2.0
// Any bytes as a site profile: read, or refused with an Error that names the file; and what was read survives packing.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "hw-profiles/packed.h"
#include "hw-profiles/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace barewire;
  hw::Profile profile;
  try {
    profile = hw::read_profile(std::string_view(reinterpret_cast<const char*>(data), size), "site.json");
  } catch (const Error& error) {
    if (!std::string_view(error.what()).starts_with("site.json")) std::abort();
    return 0;
  }
  hw::PackWriter written;
  describe(written, std::as_const(profile));
  hw::Profile read;
  hw::PackReader reader(written.bytes());
  describe(reader, read);
  hw::PackWriter again;
  describe(again, std::as_const(read));
  if (again.bytes() != written.bytes()) std::abort();
  return 0;
}
