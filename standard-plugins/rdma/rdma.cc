// SPDX-License-Identifier: Apache-2.0
/// The rdma plugin, chained behind one that gives the pod a network function: the function's RDMA device moves into the
/// pod's netns too, and back.
#include "core/kernel/rdma.h"

#include <fmt/ranges.h>

#include <boost/json/value.hpp>
#include <chrono>
#include <limits>
#include <thread>

#include "core/fd.h"
#include "core/kernel/link.h"
#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "core/trace.h"
#include "core/vf/restore.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

namespace json = boost::json;

constexpr std::string_view kName = "rdma";
constexpr const char* kDeviceKey = "rdmaDevice";
constexpr const char* kIndexKey = "rdmaIndex";
constexpr const char* kFunctionKey = "deviceID";
constexpr std::size_t kNameSize = 64;  // IB_DEVICE_NAME_MAX

[[noreturn]] void throw_no_rdma() {
  throw Error(Error::Code::device, "this kernel has no RDMA",
              "boot one with CONFIG_INFINIBAND and load ib_core, or take rdma out of the chain");
}

/// As the runtime or the configuration names it.
std::optional<std::string> named_function(const cni::Request& request) {
  const JsonView root = request.conf.root();
  for (const auto& key : {request.conf.runtime_config("deviceID"), root.find("deviceID"), root.find("pciBusID")}) {
    if (!key || key->string().empty()) continue;
    if (key->string().find('/') != std::string::npos) key->reject("a PCI address or the name of an auxiliary device");
    return kernel::normalise_pci_address(key->string()).value_or(key->string());
  }
  return std::nullopt;
}

/// Without a name, of the interface that the plugin before made.
std::string function_of(const cni::Request& request) {
  if (const auto named = named_function(request)) return *named;
  for (const cni::Interface& interface : request.conf.previous->interfaces)
    if (interface.name == request.ifname && !interface.pci_id.empty()) return interface.pci_id;
  kernel::NlSocket& inside = request.pod_socket();
  const auto link = kernel::find_link(inside, request.ifname);
  if (link && !link->parent_device.empty()) return link->parent_device;
  request.conf.root().at("deviceID").reject("the PCI address of the function");
}

/// As rdma-cni's users ask for it: the same in every pod, whatever the node called it.
std::optional<std::string> name_in_pod(const cni::NetConf& conf) {
  for (const auto& key : {conf.cni_arg("rdmaDeviceName"), conf.root().find("rdmaDeviceName")}) {
    if (!key || key->string().empty()) continue;
    const std::string name = key->string();
    if (name.size() >= kNameSize || name.find_first_of("/% \t\n") != std::string::npos || name.front() == '.')
      key->reject("the name of an RDMA device, of 1 to 63 characters");
    return name;
  }
  return std::nullopt;
}

std::vector<std::string> rdma_names_of(const Node& node, const std::string& function) {
  const kernel::Sysfs sysfs(node.sysfs);
  // Scalable functions are on the auxiliary bus, with the same directory.
  auto names = sysfs.list(fmt::format("bus/pci/devices/{}/infiniband", function));
  return names.empty() ? sysfs.list(fmt::format("bus/auxiliary/devices/{}/infiniband", function)) : names;
}

bool has_function(const Node& node, const std::string& function) {
  const kernel::Sysfs sysfs(node.sysfs);
  return sysfs.exists("bus/pci/devices/" + function) || sysfs.exists("bus/auxiliary/devices/" + function);
}

/// Exactly one. Throws Error{device}.
std::string rdma_name_of(const Node& node, const std::string& function) {
  const std::vector<std::string> names = rdma_names_of(node, function);
  if (names.size() == 1) return names.front();
  if (names.empty())
    throw Error(Error::Code::device, fmt::format("{} has no RDMA device on this node", function),
                "is its RDMA driver loaded, and the device not in another pod?");
  throw Error(Error::Code::device, fmt::format("{} has several RDMA devices: {}", function, fmt::join(names, ", ")),
              "give a function that has one: \"deviceID\"");
}

void require_exclusive(kernel::NlSocket& host) {
  if (kernel::rdma_netns_mode(host) == kernel::RdmaNetnsMode::exclusive) return;
  throw Error(Error::Code::device, "the RDMA devices of this node are shared by all netns",
              "\"rdma system set netns exclusive\", or ib_core's option netns_mode=0, before any pod has a device");
}

struct Moved {
  std::string function;
  std::string name;                    ///< on the node
  std::string name_in_pod;             ///< where there is no index
  std::optional<std::uint32_t> index;  ///< stays with the device, whatever its pod calls it
};

std::optional<Moved> moved_of(const json::object& record) {
  const json::value data(record);
  const JsonView view(data, "record: key", Error::Code::state);
  if (!view.find(kDeviceKey)) return std::nullopt;
  const std::string name = view.at(kDeviceKey).string();
  const auto index = view.at(kIndexKey).integer(0, std::numeric_limits<std::uint32_t>::max(), "an index");
  return Moved{view.at(kFunctionKey).string(), name, name, static_cast<std::uint32_t>(index)};
}

/// What the reference plugin kept. A damaged file tells nothing, and must not stand in the way of DEL for ever.
std::optional<Moved> moved_by_peer(const std::string& file) {
  const auto text = read_roots_file(file);
  if (!text) return std::nullopt;
  try {
    const json::value document = parse_json(*text, file);
    const JsonView view(document, file + ": key", Error::Code::state);
    return Moved{view.at("deviceID").string(), view.at("sandboxRdmaDevName").string(),
                 view.at("containerRdmaDevName").string(), std::nullopt};
  } catch (const Error& error) {
    log_warning("ignoring, since it tells nothing of an RDMA device: {}", error.what());
    return std::nullopt;
  }
}

std::optional<Moved> moved_of(const state::Attachment& attachment, const std::string& file) {
  if (auto moved = moved_of(attachment.data)) return moved;
  return moved_by_peer(file);
}

std::optional<kernel::RdmaDevice> find_in_pod(kernel::NlSocket& inside, const Moved& moved) {
  return moved.index ? kernel::find_rdma_device(inside, *moved.index)
                     : kernel::find_rdma_device(inside, moved.name_in_pod);
}

std::string peer_file(const state::AttachmentId& id, const Node& node) {
  return fmt::format("{}/rdma/{}-{}-{}", node.cni_state_dir, id.network, id.container_id, id.ifname);
}

std::optional<kernel::RdmaDevice> take_from_pod(const kernel::NetNs& pod, const Moved& moved,
                                                const kernel::NetNs& home) {
  auto inside = kernel::open_rdma_socket(pod);
  auto device = inside ? find_in_pod(*inside, moved) : std::nullopt;
  if (device) kernel::move_rdma_device(pod, *device, home);
  return device;
}

std::optional<kernel::RdmaDevice> find_at_home(kernel::NlSocket& host, const Moved& moved, const Node& node) {
  const auto names = rdma_names_of(node, moved.function);
  return names.size() == 1 ? kernel::find_rdma_device(host, names.front()) : std::nullopt;
}

/// The kernel itself puts back the devices of a netns that ends, with the names they had there, and some time after its
/// end: a worker does it. Nothing comes of a function that is no longer there. Source: drivers/infiniband/core/device.c
/// rdma_dev_exit_net; net/core/net_namespace.c cleanup_net.
std::optional<kernel::RdmaDevice> await_at_home(kernel::NlSocket& host, const Moved& moved, const Node& node) {
  const trace::Span span("kernel wait", "RDMA device");
  const auto deadline = std::chrono::steady_clock::now() + vf::kNetnsPatience;
  while (true) {
    if (auto device = find_at_home(host, moved, node)) return device;
    if (!has_function(node, moved.function) || std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void move_back(const state::Attachment& attachment, const Moved& moved, const Node& node) {
  const kernel::NetNs home = kernel::NetNs::current();
  auto host = kernel::open_rdma_socket(home);
  // ib_core is not there any more: its devices went with it, and none is left to bring back.
  if (!host) return;
  const auto pod = netns_of(attachment);
  auto device = pod ? take_from_pod(*pod, moved, home) : await_at_home(*host, moved, node);
  if (!device) device = find_at_home(*host, moved, node);
  // Renamed at home: there the name may be another's while it is in the pod, and here it is known to be free.
  if (device && device->name != moved.name) kernel::rename_rdma_device(*host, *device, moved.name);
}

void undo(const state::Attachment& attachment, Node& node) {
  const std::string file = peer_file(attachment.id, node);
  if (const auto moved = moved_of(attachment, file)) move_back(attachment, *moved, node);
  remove_file(file);
}

void put_into_pod(const kernel::NetNs& home, const kernel::RdmaDevice& device, const kernel::NetNs& pod,
                  const std::optional<std::string>& name) {
  kernel::move_rdma_device(home, device, pod);
  if (!name || *name == device.name) return;
  kernel::NlSocket inside = kernel::open_rdma_socket(pod).value();
  kernel::rename_rdma_device(inside, device, *name);
}

cni::Result add(const cni::Request& request, Node& node) {
  const cni::Result result = require_previous(request);
  const std::string function = function_of(request);
  const auto name = name_in_pod(request.conf);
  const kernel::NetNs home = kernel::NetNs::current();
  auto host = kernel::open_rdma_socket(home);
  if (!host) throw_no_rdma();
  // In shared mode every netns sees every device, and the kernel refuses to move one.
  require_exclusive(*host);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    const auto device = kernel::find_rdma_device(*host, rdma_name_of(node, function));
    if (!device)
      throw Error(Error::Code::device, fmt::format("the RDMA device of {} is in another netns", function),
                  "`rdma -n POD dev` in the pods of this node tells which; its DEL brings it back");
    attachment.data[kFunctionKey] = function;
    attachment.data[kDeviceKey] = device->name;
    // The index stays the same through moves and renamings.
    attachment.data[kIndexKey] = static_cast<std::int64_t>(device->index);
    // On record with its present name before it moves.
    store_of(node).save(attachment);
    put_into_pod(home, *device, request.pod_netns(), name);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  const auto moved =
      moved_of(record ? *record : state::Attachment(), peer_file(state::attachment_id(request, kName), node));
  if (!moved) throw Error(Error::Code::drift, fmt::format("{}: there is no record of its RDMA device", request.ifname));
  auto inside = kernel::open_rdma_socket(request.pod_netns());
  if (!inside || !find_in_pod(*inside, *moved))
    throw_drift(request.ifname, {fmt::format("RDMA device {} is not in the pod", moved->name)});
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

void status(const cni::Request&, Node&) {
  auto host = kernel::open_rdma_socket(kernel::NetNs::current());
  try {
    if (!host) throw_no_rdma();
    require_exclusive(*host);
  } catch (const Error& error) {
    throw Error(Error::Code::not_available, error.what(), error.hint());
  }
}

void validate(const cni::Request& request) {
  named_function(request);
  name_in_pod(request.conf);
}

}  // namespace

const cni::Plugin kRdma{.name = kName,
                        .about = "moves the RDMA device of the pod's network function into the pod",
                        .add = add,
                        .del = del,
                        .check = check,
                        .gc = gc,
                        .status = status,
                        .validate = validate};

}  // namespace barewire::standard
