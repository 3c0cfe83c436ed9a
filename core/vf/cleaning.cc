// SPDX-License-Identifier: Apache-2.0
// Capturing, comparing and setting back; each of the three sources (rtnetlink, ethtool, sysfs) on its own.
#include "core/vf/cleaning.h"

#include <fmt/format.h>
#include <linux/if.h>

#include <boost/json/value.hpp>
#include <iterator>

#include "core/log.h"
#include "core/vf/netns_search.h"

namespace barewire::vf {

namespace json = boost::json;

namespace {

std::string directory_of(const kernel::Link& link) {
  return fmt::format("class/net/{}/", link.name);
}

bool is_nonzero(const std::string& mask) {
  return mask.find_first_not_of("0,") != std::string::npos;
}

/// What cannot be read cannot be set either: a netdev of one queue has files of steering that answer ENOENT.
std::optional<std::string> read_told(const kernel::Sysfs& sysfs, const std::string& path) {
  try {
    return sysfs.read(path);
  } catch (const Error& error) {
    log_debug("{}", error.what());
    return std::nullopt;
  }
}

/// Steering of packets and rates, by queue. Almost all are zero, and not kept then.
/// Source: Documentation/ABI/testing/sysfs-class-net-queues.
void read_queues(const kernel::Sysfs& sysfs, const std::string& directory, std::map<std::string, std::string>& files) {
  for (const std::string& queue : sysfs.list(directory + "queues")) {
    const bool receives = queue.starts_with("rx");
    for (const char* file : {receives ? "rps_cpus" : "xps_cpus", receives ? "rps_flow_cnt" : "tx_maxrate"}) {
      const std::string path = fmt::format("queues/{}/{}", queue, file);
      if (const auto value = read_told(sysfs, directory + path); value && is_nonzero(*value)) files[path] = *value;
    }
  }
}

/// Source: Documentation/ABI/testing/sysfs-class-net.
std::map<std::string, std::string> read_files(const kernel::Sysfs& sysfs, const kernel::Link& link) {
  std::map<std::string, std::string> files;
  const std::string directory = directory_of(link);
  // Files that a pod with its own mount of sysfs can write, and that stay with the netdev when it is moved.
  for (const char* file : {"threaded", "gro_flush_timeout", "napi_defer_hard_irqs"})
    if (const auto value = read_told(sysfs, directory + file)) files[file] = *value;
  read_queues(sysfs, directory, files);
  return files;
}

bool write_file(const kernel::Sysfs& sysfs, const std::string& path, const std::string& value) {
  try {
    sysfs.write(path, value);
    return true;
  } catch (const Error& error) {
    log_debug("{}", error.what());
    return false;
  }
}

std::vector<std::string> restore_files(const kernel::Sysfs& sysfs, const kernel::Link& link,
                                       const std::map<std::string, std::string>& original) {
  std::map<std::string, std::string> wanted = original;
  const auto now = read_files(sysfs, link);
  for (const auto& [file, value] : now) wanted.emplace(file, "0");  // a file not kept was zero
  std::vector<std::string> left;
  for (const auto& [file, value] : wanted) {
    const auto there = now.find(file);
    if (there != now.end() && there->second == value) continue;
    if (!write_file(sysfs, directory_of(link) + file, value)) left.push_back(file + " is another");
  }
  return left;
}

/// For addresses of any length: those of InfiniBand have 20 bytes.
std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string unhex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::strtoul(text.substr(i, 2).c_str(), nullptr, 16));
  return bytes;
}

template <typename Value>
json::object to_object(const std::map<std::string, Value>& map) {
  json::object object;
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}

std::map<std::string, std::uint32_t> numbers_of(const JsonView& json) {
  std::map<std::string, std::uint32_t> numbers;
  for (const auto& [key, value] : json.members("an object of numbers"))
    numbers[key] = static_cast<std::uint32_t>(value.integer(0, UINT32_MAX, "a number"));
  return numbers;
}

std::map<std::string, std::string> texts_of(const JsonView& json) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : json.members("an object of texts")) texts[key] = value.string();
  return texts;
}

void append(std::vector<std::string>& to, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

/// Deletes those of one netns. True when there were any.
bool remove_from(const kernel::NetNs& netns, const kernel::NetNs& home, int parent,
                 std::vector<std::string>& failures) {
  const auto stacked = kernel::list_stacked_links(netns, home, parent);
  if (stacked.empty()) return false;
  kernel::NlSocket socket = kernel::NlSocket::in(netns);
  for (const kernel::StackedLink& link : stacked) {
    log_info("removing {}, which a pod has stacked on its device", link.name);
    try {
      kernel::delete_link(socket, link.index, fmt::format("removing {} of {}", link.name, netns.path()));
    } catch (const kernel::KernelError& error) {
      failures.emplace_back(error.what());
    }
  }
  return true;
}

}  // namespace

DeviceState capture_device_state(Host& host, const kernel::Link& link) {
  return {.link = kernel::read_link_traits(host.socket, link.index).value_or(kernel::LinkTraits()),
          .ethtool = kernel::read_ethtool_settings(link.name),
          .files = read_files(host.sysfs, link)};
}

DeviceState without_traces(DeviceState now) {
  now.link.programs.clear();
  now.link.tcx_programs = 0;
  // How every Ethernet netdev begins. Source: net/ethernet/eth.c ether_setup.
  now.link.flags = (now.link.flags & ~std::uint32_t{IFF_NOARP}) | IFF_MULTICAST;
  return now;
}

json::object to_json(const DeviceState& state) {
  return {{"flags", state.link.flags},
          {"numbers", to_object(state.link.numbers)},
          {"broadcast", hex(state.link.broadcast)},
          {"xdp", to_object(state.link.programs)},
          {"tcx", state.link.tcx_programs},
          {"ethtool", to_object(state.ethtool)},
          {"sysfs", to_object(state.files)}};
}

DeviceState parse_device_state(const JsonView& json) {
  DeviceState state;
  state.link.flags = static_cast<std::uint32_t>(json.at("flags").integer(0, UINT32_MAX, "flags"));
  state.link.numbers = numbers_of(json.at("numbers"));
  state.link.broadcast = unhex(json.at("broadcast").string());
  state.link.programs = numbers_of(json.at("xdp"));
  state.link.tcx_programs = static_cast<std::uint32_t>(json.at("tcx").integer(0, UINT32_MAX, "a number"));
  state.ethtool = texts_of(json.at("ethtool"));
  state.files = texts_of(json.at("sysfs"));
  return state;
}

std::vector<std::string> remove_stacked_links(Host& host, const kernel::NetNs& pod, const kernel::Link& link) {
  // The pod's netns and every other one: a stacked link can be moved on, and stays stacked.
  constexpr int kLooks = 3;  // a pod that lives can stack a link on one that is about to go
  std::vector<kernel::NetNs> others = list_netns();
  others.push_back(kernel::NetNs::current());
  std::vector<std::string> failures;
  for (int look = 0; look < kLooks; ++look) {
    failures.clear();
    bool found = remove_from(pod, host.netns, link.index, failures);
    for (const kernel::NetNs& netns : others) found |= remove_from(netns, host.netns, link.index, failures);
    if (found) continue;
    if (pod.is_current() || !kernel::has_hidden_neighbour(pod, others)) return {};
    return {"the pod has used a netns that is not in sight, which may have links on it"};
  }
  if (failures.empty()) failures.emplace_back("links of a pod come back on it");
  return failures;
}

std::vector<std::string> restore_device_state(Host& host, const kernel::Link& link, const DeviceState& original) {
  // Flags and programs first: some drivers refuse other channels while an XDP program is attached (virtio_net).
  std::vector<std::string> left = kernel::restore_link_traits(host.socket, link, original.link);
  for (const std::string& name : kernel::restore_ethtool_settings(link.name, original.ethtool))
    left.push_back(fmt::format("its {} are others", name));
  append(left, restore_files(host.sysfs, link, original.files));
  return left;
}

}  // namespace barewire::vf
