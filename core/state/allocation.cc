// SPDX-License-Identifier: Apache-2.0
/// The records of promised devices, one JSON file each. They are written durably, unlike attachments: kubelet remembers
/// its containers over a reboot, and so a promise must.
#include "core/state/allocation.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/temporary_file.h"
#include "core/utc.h"

namespace barewire::state {

namespace json = boost::json;

namespace {

constexpr int kFormat = 1;  ///< of the record; a reader takes any, and leaves alone what it does not know
constexpr std::string_view kEnd = ".json";

json::object to_json(const Allocation& allocation) {
  return {{"format", kFormat},
          {"device", allocation.device},
          {"by", allocation.by},
          {"owner", allocation.owner},
          {"pod",
           json::object{
               {"namespace", allocation.pod.name_space}, {"name", allocation.pod.name}, {"uid", allocation.pod.uid}}},
          {"container", allocation.container},
          {"since", allocation.since}};
}

Allocation parse(std::string_view bytes, const std::string& path) {
  const json::value document = parse_json(bytes, "record " + path);
  const JsonView view(document, fmt::format("record {}: key", path), Error::Code::state);
  // Only what names the device and who promised it has to be there. A record of a later version has more, and an old
  // one less: neither makes the device free.
  Allocation allocation;
  allocation.device = view.at("device").string();
  allocation.by = view.at("by").string();
  allocation.owner = view.string_or("owner", "");
  if (const auto pod = view.find("pod"))
    allocation.pod = {pod->string_or("namespace", ""), pod->string_or("name", ""), pod->string_or("uid", "")};
  allocation.container = view.string_or("container", "");
  allocation.since = view.string_or("since", "");
  return allocation;
}

/// A damaged record is Error{state}, whatever is wrong with it.
Allocation parse_record(std::string_view bytes, const std::string& path) {
  try {
    return parse(bytes, path);
  } catch (const Error& error) {
    throw Error(
        Error::Code::state, error.what(),
        fmt::format("the record is damaged, and its device stays promised. Once no container uses it, remove {}",
                    path));
  }
}

std::string file_name(std::string device) {
  // A device of another bus than PCI may have a slash in its name. Nobody turns it back: the record names the device.
  std::replace(device.begin(), device.end(), '/', '!');
  return device;
}

}  // namespace

std::string now_text() {
  return utc_text(std::chrono::system_clock::now()) + "Z";
}

std::string Allocation::text() const {
  const std::string who = by == kDevicePlugin ? "resource " + owner : by == kClaim ? "claim " + owner : owner;
  const std::string whom = pod.name.empty() ? "a container" : fmt::format("pod {}/{}", pod.name_space, pod.name);
  if (by == kAdmin) return fmt::format("it is kept back: {}", who.empty() ? "no reason is given" : who);
  return fmt::format("{} promises it to {}", who, whom);
}

std::string Allocations::path_of(const std::string& device) const {
  return fmt::format("{}/{}{}", directory_, file_name(device), kEnd);
}

std::optional<Allocation> Allocations::find(const std::string& device) const {
  const std::string path = path_of(device);
  const auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  return parse_record(*bytes, path);
}

void Allocations::save(const Allocation& allocation) const {
  make_directories(directory_, 0700);
  write_file_atomically(path_of(allocation.device), json::serialize(to_json(allocation)) + "\n", Durability::durable);
}

void Allocations::remove(const std::string& device) const {
  remove_file(path_of(device));
  remove_temporary(path_of(device));
}

std::vector<Allocation> Allocations::list(std::vector<std::pair<std::string, std::string>>* unreadable) const {
  std::vector<Allocation> result;
  for (const std::string& name : list_directory(directory_)) {
    if (name.starts_with('.') || !name.ends_with(kEnd)) continue;
    const std::string path = directory_ + "/" + name;
    try {
      if (const auto bytes = read_file(path)) result.push_back(parse_record(*bytes, path));
    } catch (const Error& error) {
      if (unreadable != nullptr) unreadable->emplace_back(path, error.what());
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.device < b.device; });
  return result;
}

}  // namespace barewire::state
