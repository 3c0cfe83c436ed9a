// SPDX-License-Identifier: Apache-2.0
/// The life of an attachment that is one virtual link in the pod and nothing on the node: bond, dummy, ipvlan, macvlan,
/// tap and vlan differ only in how the link is made and compared, and bond in what it is made of.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/delegate.h"
#include "core/cni/plugin.h"
#include "core/kernel/link.h"
#include "core/kernel/netns.h"
#include "core/state/attachment.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

/// One plugin's kind of link.
struct PodLinkKind {
  std::string_view plugin;  ///< its name
  std::string_view kind;    ///< IFLA_INFO_KIND
  bool has_carrier = true;  ///< false: not before a user-space program opens the link
  /// Where addresses come from when the configuration has no "ipam".
  enum class Without { nothing, previous_result } without_ipam = Without::nothing;
  const char* name_key = nullptr;  ///< a key that may name the link otherwise than CNI_IFNAME
  Undo undo = nullptr;             ///< absent: the link goes, then the addresses are released
};

/// The link that the record tells of; harmless when it is gone.
void remove_pod_link(const state::Attachment& attachment, const Node& node);

/// CNI_IFNAME, unless the kind's key names it otherwise.
std::string pod_link_name(const PodLinkKind& kind, const cni::NetConf& conf, const std::string& ifname);

/// Makes the link `pod_link_name` in `netns`; `inside` is a socket of it. May leave the link up or down.
using CreateLink = std::function<void(const kernel::NetNs& netns, kernel::NlSocket& inside)>;
/// Changes nothing: writes into the record what `create` is going to change besides the link.
using PrepareLink = std::function<void(state::Attachment& attachment, kernel::NlSocket& inside)>;
/// How `link` differs from what the configuration asks for, as clauses.
using CompareLink = std::function<std::vector<std::string>(kernel::NlSocket& inside, const kernel::Link& link)>;

/// The name a link of that attachment may have for a moment while it is made; see kernel::NewLink.
std::string transit_name(const state::AttachmentId& id);

/// For kinds that are of no use without addresses. Throws Error{config} naming "ipam.type" when it is missing.
void require_ipam_type(const cni::Request& request);

/// ADD: record, link, addresses and routes, up. Throws Error{held} when the name is taken in the pod; what
/// `create` throws.
cni::Result add_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node, const CreateLink& create,
                         const PrepareLink& prepare = {});
/// DEL.
void delete_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node);
/// CHECK: the link, its kind, what `compare` finds, addresses and routes. Throws Error{drift}.
void check_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node, const CompareLink& compare);
/// GC.
void collect_pod_links(const PodLinkKind& kind, const cni::Request& request, Node& node);

/// The whole plugin of one kind, of what is its own: `Config parse(request)` reads its keys and throws Error{config};
/// `create(config, request, netns, inside)` and `compare(config, request, inside, link)` are a CreateLink and a
/// CompareLink.
template <const PodLinkKind& kind, auto parse, auto create, auto compare>
constexpr cni::Plugin pod_link_plugin(std::string_view about) {
  cni::Plugin plugin{.name = kind.plugin, .about = about};
  plugin.add = [](const cni::Request& request, Node& node) {
    const auto config = parse(request);
    return add_pod_link(kind, request, node, [&](const kernel::NetNs& netns, kernel::NlSocket& inside) {
      create(config, request, netns, inside);
    });
  };
  plugin.del = [](const cni::Request& request, Node& node) { delete_pod_link(kind, request, node); };
  plugin.check = [](const cni::Request& request, Node& node) {
    const auto config = parse(request);
    check_pod_link(kind, request, node, [&](kernel::NlSocket& inside, const kernel::Link& link) {
      return compare(config, request, inside, link);
    });
  };
  plugin.gc = [](const cni::Request& request, Node& node) { collect_pod_links(kind, request, node); };
  plugin.status = cni::ipam_status;
  plugin.validate = [](const cni::Request& request) { parse(request); };
  return plugin;
}

}  // namespace barewire::standard
