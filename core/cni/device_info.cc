// SPDX-License-Identifier: Apache-2.0
// The device plugin may have written the file before, and others may read it at any moment: it is extended and given
// back as it was.
#include "core/cni/device_info.h"

#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/log.h"
#include "core/temporary_file.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr mode_t kMode = 0444;  // readable by the pod's user, changed by no one but a CNI plugin

void write(const std::string& path, std::string_view bytes) {
  write_file_atomically(path, bytes, Durability::until_reboot, kMode);
  ::chmod(path.c_str(), kMode);  // whatever the umask
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
  // A writer that was killed may have left one.
  remove_temporary(path);
  if (!before) {
    remove_file(path);
    return;
  }
  // Left alone where it is as before already: readers would see a file that changes for nothing.
  const auto now = read_file(path);
  if (now && now != before) write(path, *before);
}

}  // namespace barewire::cni
