// SPDX-License-Identifier: Apache-2.0
// Run at build time: checks every profile and writes the C++ source that holds them (shipped.h).
//   barewire-embed-profiles OUTPUT.cc PROFILE.json...
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/fd.h"
#include "hw-profiles/packed.h"
#include "hw-profiles/reader.h"

namespace {

using namespace barewire;

using Entries = std::vector<std::pair<std::string, std::size_t>>;

/// `key` is C++ text that sorts as its value does.
std::string array(std::string_view type, std::string_view name, Entries entries) {
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  std::string text = fmt::format("constexpr {} {}[] = {{\n", type, name);
  for (const auto& [key, index] : entries) text += fmt::format("    {{{}, {}}},\n", key, index);
  return text + "};\n";
}

std::string id_key(const hw::PciId& id) {
  return fmt::format("0x{:04x}{:04x}", id.vendor, id.device);
}
std::string driver_key(const std::string& driver) {
  return fmt::format("\"{}\"", driver);
}

/// C++ string literals that hold `bytes`, some to a line.
std::string literal(std::string_view bytes) {
  constexpr std::size_t kPerLine = 100;
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % kPerLine == 0) text += i == 0 ? "\"" : "\"\n     \"";
    const char byte = bytes[i];
    // '?' too, of which two could begin a trigraph. Octal, since a hexadecimal escape takes every digit that follows
    // it.
    const bool plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\' && byte != '?';
    text += plain ? std::string(1, byte) : fmt::format("\\{:03o}", static_cast<unsigned char>(byte));
  }
  return text + "\"";
}

/// What messages call the installed file.
hw::Profile as_installed(hw::Profile profile) {
  profile.file = fmt::format("share/barewire/hw-profiles/{}.json", profile.family);
  return profile;
}

std::string packed(const std::vector<hw::Profile>& profiles) {
  std::string text = "constexpr Packed kProfiles[] = {\n";
  for (const hw::Profile& profile : profiles) {
    hw::PackWriter pack;
    const hw::Profile installed = as_installed(profile);
    describe(pack, installed);
    text += fmt::format("    {{\"{}\",\n     {{{}, {}}},\n     {}}},\n", profile.family, literal(pack.bytes()),
                        pack.bytes().size(), profile.link == hw::LinkLayer::infiniband);
  }
  return text + "};\n";
}

std::string source(const std::vector<hw::Profile>& profiles) {
  Entries pf_ids, vf_ids, pf_drivers, vf_drivers;
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    for (const hw::Device& device : profiles[i].devices.value) {
      pf_ids.emplace_back(id_key(device.pf), i);
      if (device.vf) vf_ids.emplace_back(id_key(*device.vf), i);
    }
    for (const std::string& driver : profiles[i].pf_drivers) pf_drivers.emplace_back(driver_key(driver), i);
    for (const std::string& driver : profiles[i].vf_drivers) vf_drivers.emplace_back(driver_key(driver), i);
  }
  return "// Written by barewire-embed-profiles from hw-profiles/*.json.\n#include \"hw-profiles/shipped.h\"\n\n"
         "namespace barewire::hw::shipped {\n\nnamespace {\n\n" +
         packed(profiles) + array("IdEntry", "kPfIds", pf_ids) + array("IdEntry", "kVfIds", vf_ids) +
         array("DriverEntry", "kPfDrivers", pf_drivers) + array("DriverEntry", "kVfDrivers", vf_drivers) +
         "\n}  // namespace\n\n"
         "std::span<const Packed> profiles() { return kProfiles; }\n"
         "std::span<const IdEntry> pf_ids() { return kPfIds; }\n"
         "std::span<const IdEntry> vf_ids() { return kVfIds; }\n"
         "std::span<const DriverEntry> pf_drivers() { return kPfDrivers; }\n"
         "std::span<const DriverEntry> vf_drivers() { return kVfDrivers; }\n\n"
         "}  // namespace barewire::hw::shipped\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: barewire-embed-profiles OUTPUT.cc PROFILE.json...\n", stderr);
    return 2;
  }
  try {
    const hw::ProfileSet set = hw::read_profiles({argv + 2, argv + argc});
    // A shipped profile that is wrong ends the build: on a node it would only be missing.
    for (const Error& error : set.errors) std::fprintf(stderr, "%s\n", error.what());
    if (!set.errors.empty()) return 1;
    write_file_atomically(argv[1], source(set.profiles), Durability::until_reboot, 0644);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
