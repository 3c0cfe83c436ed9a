// SPDX-License-Identifier: Apache-2.0
// read_profiles and read_profile_directory of reader.h: each file is judged apart from the others.
#include "core/directory.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/fd.h"
#include "hw-profiles/reader.h"

namespace barewire::hw {

namespace {

namespace fs = std::filesystem;

/// *.json in `directory`, sorted, so that the same file wins on every node.
std::vector<std::string> profile_files(const std::string& directory, std::vector<Error>& errors) {
  std::vector<std::string> files;
  try {
    for (const std::string& name : list_directory(directory))
      if (fs::path(name).extension() == ".json") files.push_back((fs::path(directory) / name).string());
  } catch (const Error& error) {
    errors.push_back(error);
  }
  return files;
}

/// Throws when `profile` claims what `earlier` already has.
void expect_distinct(const Profile& profile, const Profile& earlier) {
  if (profile.family == earlier.family)
    throw Error(Error::Code::config,
                fmt::format("{}: key \"family\" is \"{}\", which {} has already; expected a name of its own",
                            profile.file, profile.family, earlier.file));
  if (profile.link != earlier.link) return;  // one card, two personalities: Ethernet and InfiniBand
  for (std::size_t i = 0; i < profile.devices.value.size(); ++i)
    for (const Device& device : earlier.devices.value)
      if (profile.devices.value[i].pf == device.pf)
        throw Error(
            Error::Code::config,
            fmt::format(
                "{}: key \"devices[{}].pf\" is \"{}\", which {} has already; expected an id of no other profile",
                profile.file, i, to_string(device.pf), earlier.file));
}

}  // namespace

ProfileSet read_profiles(const std::vector<std::string>& files) {
  ProfileSet result;
  for (const std::string& file : files) {
    try {
      const auto bytes = read_file(file);
      if (!bytes) throw Error(Error::Code::io, fmt::format("opening {} failed: it does not exist", file));
      Profile profile = read_profile(*bytes, file);
      for (const Profile& earlier : result.profiles) expect_distinct(profile, earlier);
      result.profiles.push_back(std::move(profile));
    } catch (const Error& error) {
      result.errors.push_back(error);
    }
  }
  return result;
}

ProfileSet read_profile_directory(const std::string& directory) {
  std::vector<Error> errors;
  const std::vector<std::string> files = profile_files(directory, errors);
  ProfileSet result = read_profiles(files);
  result.errors.insert(result.errors.begin(), errors.begin(), errors.end());
  return result;
}

}  // namespace barewire::hw
