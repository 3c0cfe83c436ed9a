// SPDX-License-Identifier: Apache-2.0
// Readers take a record that an older version wrote: pods outlive an upgrade.
#include "core/state/attachment.h"

#include <boost/json/serialize.hpp>
#include <limits>

#include "core/boot_id.h"
#include "core/kernel/netlink.h"
#include "core/state/allocation.h"

namespace barewire::state {

namespace json = boost::json;

namespace {

constexpr int kFormat = 1;  ///< of the record; a reader refuses a newer one

std::optional<kernel::NetNsId> parse_netns_id(const JsonView& view) {
  const auto found = view.find("netnsId");
  if (!found) return std::nullopt;
  // Signed 64 bits hold what the kernel counts up from small numbers.
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  return kernel::NetNsId{static_cast<dev_t>(found->at("device").integer(0, kMax, "a device number")),
                         static_cast<ino_t>(found->at("inode").integer(0, kMax, "an inode number")),
                         static_cast<std::uint64_t>(found->integer_or("cookie", 0, kMax, "a netns cookie", 0))};
}

}  // namespace

std::string AttachmentId::text() const {
  return fmt::format("{}/{}/{}", network, container_id, ifname);
}

std::string Attachment::text() const {
  return pod.name.empty() ? id.text() : fmt::format("{} of pod {}/{}", id.text(), pod.name_space, pod.name);
}

AttachmentId attachment_id(const cni::Request& request, std::string_view plugin) {
  return {request.conf.name, request.container_id, request.ifname, std::string(plugin)};
}

cni::Environment Attachment::del_environment() const {
  return {.command = "DEL",
          .container_id = id.container_id,
          .netns = netns,
          .ifname = id.ifname,
          .path = cni_path,
          .args = cni_args,
          .netns_override = netns_override};
}

bool Attachment::has_link(std::string_view name) const {
  const json::value* other = data.if_contains("linkName");
  return id.ifname == name || (other != nullptr && other->is_string() && other->get_string() == name);
}

Attachment make_attachment(const cni::Request& request, std::string_view plugin) {
  Attachment attachment;
  attachment.id = attachment_id(request, plugin);
  attachment.netns = request.netns;
  attachment.netns_id = request.pod_netns().id(request.pod_socket().fd());
  attachment.boot_id = current_boot_id();
  attachment.since = now_text();
  attachment.pod = {.name_space = request.args.find("K8S_POD_NAMESPACE").value_or(""),
                    .name = request.args.find("K8S_POD_NAME").value_or(""),
                    .uid = request.args.find("K8S_POD_UID").value_or("")};
  attachment.cni_args = request.environment.args;
  attachment.cni_path = request.environment.path;
  attachment.netns_override = request.environment.netns_override;
  attachment.ipam_type = request.conf.ipam_type;
  // As it came, byte by byte: DEL may be called with another configuration by then, or none, and undoes this one.
  attachment.config = request.stdin_bytes;
  return attachment;
}

json::value to_json(const Attachment& attachment) {
  json::object object{{"format", kFormat},
                      {"network", attachment.id.network},
                      {"containerID", attachment.id.container_id},
                      {"ifname", attachment.id.ifname},
                      {"plugin", attachment.id.plugin},
                      {"netns", attachment.netns}};
  if (attachment.netns_id)
    object["netnsId"] = json::object{{"device", static_cast<std::int64_t>(attachment.netns_id->device)},
                                     {"inode", static_cast<std::int64_t>(attachment.netns_id->inode)},
                                     {"cookie", static_cast<std::int64_t>(attachment.netns_id->cookie)}};
  object["bootId"] = attachment.boot_id;
  object["since"] = attachment.since;
  object["pod"] = json::object{
      {"namespace", attachment.pod.name_space}, {"name", attachment.pod.name}, {"uid", attachment.pod.uid}};
  object["cniArgs"] = attachment.cni_args;
  object["cniPath"] = attachment.cni_path;
  if (!attachment.netns_override.empty()) object["netnsOverride"] = attachment.netns_override;
  object["ipamType"] = attachment.ipam_type;
  object["config"] = attachment.config;
  object["data"] = attachment.data;
  return object;
}

Attachment parse_attachment(std::string_view bytes, const std::string& path) {
  try {
    const json::value document = parse_json(bytes, "record " + path);
    const JsonView view(document, fmt::format("record {}: key", path), Error::Code::state);
    // A newer format may mean something else by the same keys: it is refused, and the device stays with its holder.
    view.at("format").integer(1, kFormat, "a record format this version knows");
    Attachment attachment;
    attachment.id = {view.at("network").string(), view.at("containerID").string(), view.at("ifname").string(),
                     view.at("plugin").string()};
    attachment.netns = view.at("netns").string();
    attachment.netns_id = parse_netns_id(view);
    attachment.boot_id = view.string_or("bootId", "");
    attachment.since = view.string_or("since", "");
    if (const auto pod = view.find("pod"))
      attachment.pod = {pod->string_or("namespace", ""), pod->string_or("name", ""), pod->string_or("uid", "")};
    attachment.cni_args = view.string_or("cniArgs", "");
    attachment.cni_path = view.string_or("cniPath", "");
    attachment.netns_override = view.string_or("netnsOverride", "");
    attachment.ipam_type = view.string_or("ipamType", "");
    attachment.config = view.string_or("config", "");
    // The plugin's own part, which the plugin alone can judge.
    if (const auto data = view.find("data"); data && data->is_object()) attachment.data = data->value().get_object();
    return attachment;
  } catch (const Error& error) {
    throw Error(
        Error::Code::state, error.what(),
        fmt::format("the record is damaged; `barewire list` shows what the kernel knows. Correct {} or, once the "
                    "device is back, remove it",
                    path));
  }
}

}  // namespace barewire::state
