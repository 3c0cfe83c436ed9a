// SPDX-License-Identifier: Apache-2.0
/// A small valid profile to spoil, a directory to put it into, and what an error said; for the tests of hw-profiles.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.h"

namespace barewire::hw {

inline const std::string kSmallProfile = R"({
  "family": "acme-fast", "vendor": "Acme",
  "drivers": {"pf": ["acme"], "vf": ["acmevf"]},
  "sources": {"manual": "Acme manual, edition 3"},
  "ids": {"verified": true, "source": "manual: table 2"},
  "devices": [{"pf": "abcd:0001", "vf": "abcd:1001", "model": "Fast 1"},
              {"pf": "abcd:0002", "vf": "abcd:1001", "model": "Fast 2"}],
  "attributes": {
    "mac": {"supported": true, "verified": true, "source": "manual"},
    "trust": {"supported": false, "verified": true, "source": "manual: 4.2", "note": "trust is for people"}
  }
})";

/// `text` with its first `from` replaced; a test that replaces nothing tests nothing, so that fails.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::invalid_argument("no '" + from + "' to replace");
  return text.replace(at, from.size(), to);
}

/// What a call threw, as "code: message"; empty when it threw nothing.
template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return fmt::format("{}: {}", error.code(), error.what());
  }
  return {};
}

/// A directory of its own, removed at the end.
class ProfileDir {
 public:
  ProfileDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "barewire-profiles-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ProfileDir(const ProfileDir&) = delete;
  ProfileDir& operator=(const ProfileDir&) = delete;
  ~ProfileDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string add(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace barewire::hw
