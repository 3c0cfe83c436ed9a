// SPDX-License-Identifier: Apache-2.0
// The API server has checked the types by the CRD's schema, where there is one; here everything is checked again, since
// what is passed over would be another node than the one that was meant.
#include "device-manager/cluster/policy.h"

#include <algorithm>

#include "core/kernel/pci.h"
#include "core/text.h"
#include "device-manager/state/keys.h"

namespace barewire::cluster {
namespace {

using declared::attempt;
using declared::Problem;

std::string parse_id(const JsonView& view) {
  const std::string id = to_lower(view.string());
  const bool is_hex = id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!id.empty() && (id.size() != 4 || !is_hex)) view.reject("four hexadecimal digits, such as \"15b3\"");
  return id;
}

std::vector<std::string> parse_addresses(const JsonView& view) {
  std::vector<std::string> addresses;
  for (const JsonView& each : view.array("a list of PCI addresses")) {
    const auto address = kernel::normalise_pci_address(each.string());
    if (!address) each.reject("a PCI address such as \"0000:01:00.0\"");
    addresses.push_back(*address);
  }
  return addresses;
}

std::vector<vf::VfRange> parse_names(const JsonView& view) {
  std::vector<vf::VfRange> names;
  for (const JsonView& each : view.array("a list of PFs")) {
    try {
      names.push_back(vf::VfRange::parse(each.string(), each.path()));
    } catch (const Error& error) {
      each.reject("a PF, or a PF with VF numbers, as \"ens1f0#0-3\"", error.hint());
    }
  }
  return names;
}

NicSelector parse_selector(std::vector<Problem>& problems, const JsonView& view) {
  NicSelector selector;
  const auto read = [&](const char* key, const std::function<void(const JsonView&)>& reader) {
    attempt(problems, [&] {
      if (const auto value = view.find(key)) reader(*value);
    });
  };
  read("vendor", [&](const JsonView& v) { selector.vendor = parse_id(v); });
  read("deviceID", [&](const JsonView& v) { selector.device = parse_id(v); });
  read("rootDevices", [&](const JsonView& v) { selector.root_devices = parse_addresses(v); });
  read("pfNames", [&](const JsonView& v) { selector.pf_names = parse_names(v); });
  read("netFilter", [&](const JsonView& v) { selector.net_filter = v.string(); });
  const bool says_nothing = selector.vendor.empty() && selector.device.empty() && selector.root_devices.empty() &&
                            selector.pf_names.empty() && selector.net_filter.empty();
  // One that says nothing would be every NIC of the node.
  if (says_nothing) attempt(problems, [&] { view.reject("at least one key, such as \"pfNames\""); });
  return selector;
}

std::string parse_word(const JsonView& view, const std::vector<std::string>& words) {
  const std::string word = view.string();
  if (!word.empty() && std::find(words.begin(), words.end(), to_lower(word)) == words.end())
    view.reject(fmt::format("\"{}\"", fmt::join(words, "\" or \"")));
  return to_lower(word);
}

/// The name of a resource in kubelet and of a pool here.
std::string parse_resource(const JsonView& view) {
  const std::string name = view.string();
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  if (name.empty() || name.find_first_not_of(kLetters) != std::string::npos)
    view.reject("letters, digits, '_', '.' and '-'");
  return name;
}

/// The keys of one policy's spec, one after another; what is wrong with one keeps no other from being read.
class SpecReader {
 public:
  SpecReader(std::vector<Problem>& problems, const JsonView& spec, Policy& policy)
      : problems_(problems), spec_(spec), policy_(policy) {}

  void read() {
    read_choice();
    read_numbers();
    read_kind();
    refuse_others();
  }

 private:
  void key(const char* name, const std::function<void(const JsonView&)>& reader) {
    attempt(problems_, [&] {
      if (const auto value = spec_.find(name)) reader(*value);
    });
  }
  void flag(const char* name, bool& into) {
    key(name, [&](const JsonView& v) { into = v.boolean(); });
  }

  void read_choice() {
    key("nodeSelector", [&](const JsonView& v) {
      for (const auto& [label, value] : v.members("an object of labels")) policy_.node_selector[label] = value.string();
    });
    key("priority", [&](const JsonView& v) { policy_.priority = v.integer(0, 99, "0 wins over 99"); });
    attempt(problems_, [&] { policy_.nics = parse_selector(problems_, spec_.at("nicSelector")); });
    attempt(problems_, [&] { policy_.resource = parse_resource(spec_.at("resourceName")); });
  }

  void read_numbers() {
    constexpr std::int64_t kMostVfs = 65535, kLeastMtu = 68, kMostMtu = 65535;
    attempt(problems_, [&] {
      policy_.vfs = static_cast<std::uint32_t>(spec_.at("numVfs").integer(0, kMostVfs, "a number of VFs"));
    });
    key("mtu", [&](const JsonView& v) {
      // The API's 0 is "not said".
      if (v.value() != 0) policy_.mtu = static_cast<std::uint32_t>(v.integer(kLeastMtu, kMostMtu, "bytes"));
    });
  }

  void read_kind() {
    key("deviceType", [&](const JsonView& v) {
      if (parse_word(v, {"netdevice", "vfio-pci"}) == "vfio-pci") policy_.driver = "vfio-pci";
    });
    key("eSwitchMode", [&](const JsonView& v) {
      if (const auto mode = parse_word(v, {"legacy", "switchdev"}); !mode.empty()) policy_.eswitch = mode;
    });
    key("linkType", [&](const JsonView& v) { policy_.link_type = parse_word(v, {"eth", "ib"}); });
    flag("isRdma", policy_.rdma);
    flag("needVhostNet", policy_.vhost_net);
    flag("excludeTopology", policy_.exclude_topology);
    flag("externallyManaged", policy_.externally_managed);
  }

  void refuse_others() {
    key("isRdma", [&](const JsonView& v) {
      if (policy_.rdma && policy_.driver != "netdev") v.reject("false beside deviceType vfio-pci");
    });
    key("vdpaType", [&](const JsonView& v) {
      if (!v.string().empty())
        v.reject("nothing, since Barewire makes no vDPA devices from a policy",
                 "make them with `vdpa dev add` of iproute2, and leave the key out");
    });
    key("bridge", [&](const JsonView& v) {
      if (!v.members().empty())
        v.reject("nothing, since Barewire makes no bridges from a policy",
                 "make bridges with ovs-vsctl, and name them in networks of the plugin \"ovs\"");
    });
  }

  std::vector<Problem>& problems_;
  const JsonView& spec_;
  Policy& policy_;
};

}  // namespace

std::string title(const Policy& policy) {
  return "SriovNetworkNodePolicy " + policy.name;
}

std::optional<Policy> parse_policy(std::vector<Problem>& problems, const boost::json::value& object) {
  const std::size_t before = problems.size();
  Policy policy;
  attempt(problems, [&] {
    policy.name = JsonView(object, "SriovNetworkNodePolicy: key").at("metadata").at("name").string();
    const JsonView view(object, title(policy) + ": key");
    const JsonView spec = view.at("spec");
    SpecReader(problems, spec, policy).read();
  });
  return problems.size() == before ? std::optional(policy) : std::nullopt;
}

bool is_selected(const Labels& selector, const Labels& labels) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

Labels labels_of(const boost::json::value& object) {
  Labels labels;
  const JsonView view(object, "key");
  const auto metadata = view.find("metadata");
  const auto found = metadata ? metadata->find("labels") : std::nullopt;
  if (!found) return labels;
  for (const auto& [name, value] : found->members()) labels[name] = value.string();
  return labels;
}

}  // namespace barewire::cluster
