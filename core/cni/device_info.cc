// SPDX-License-Identifier: Apache-2.0
#include "core/cni/device_info.h"

#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>

#include "core/fd.h"
#include "core/log.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr mode_t kMode = 0444;  // readable by the pod's user, changed by no one but a CNI plugin

void write(const std::string& path, std::string_view bytes) {
  write_file_atomically(path, bytes, Durability::until_reboot, kMode);
  ::chmod(path.c_str(), kMode);  // whatever the umask
}

/// What a writer that was killed has left beside the file. Nobody else writes it now: the attachment's lock is held.
void remove_temporaries(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string begin = file.filename().string() + ".";
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), failed)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(begin) && name.ends_with(".tmp")) remove_file(entry.path());
  }
}

}  // namespace

std::optional<std::string> read_device_info(const std::string& path) {
  return read_file(path);
}

json::object parse_device_info(const std::string& path, const std::optional<std::string>& before) {
  if (!before || before->empty()) return {};
  json::error_code failed;
  json::value value = json::parse(*before, failed);
  if (!failed && value.is_object()) return std::move(value.get_object());
  log_warning("device-info file {} is not a JSON object; writing it anew", path);
  return {};
}

void write_device_info(const std::string& path, const json::object& info) {
  make_directories(path.substr(0, path.rfind('/')));
  write(path, json::serialize(info));
}

void undo_device_info(const std::string& path, const std::optional<std::string>& before) {
  remove_temporaries(path);
  if (!before) {
    remove_file(path);
    return;
  }
  const auto now = read_file(path);
  if (now && now != before) write(path, *before);
}

}  // namespace barewire::cni
