// SPDX-License-Identifier: Apache-2.0
// Names that the reference plugins give to what they make, and taking it away: a node may change over while pods of
// theirs run. Source: containernetworking/plugins, pkg/utils/utils.go, pkg/ip/ipmasq_*.go, plugins/meta/portmap and
// bandwidth, pkg/link/spoofcheck.go.
#include "standard-plugins/common/reference.h"

#include <fmt/format.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

#include "core/kernel/link.h"
#include "core/kernel/nft_listing.h"
#include "core/rollback.h"
#include "standard-plugins/common/legacy_iptables.h"
#include "standard-plugins/common/sha512.h"

namespace barewire::standard {

namespace nft = kernel::nft;

namespace {

constexpr const char* kNat = "nat";
constexpr const char* kPostRouting = "POSTROUTING";
constexpr const char* kTranslate = "CNI-HOSTPORT-DNAT";
constexpr nft::Family kFamilies[] = {nft::Family::ip, nft::Family::ip6};

/// `prefix` and as many digits as make it `length` long.
std::string hashed_name(std::size_t length, const std::string& prefix, const std::string& text) {
  return (prefix + sha512_hex(text)).substr(0, length);
}
std::string chain_name(const char* prefix, const state::AttachmentId& id) {
  constexpr std::size_t kLength = 28;
  return hashed_name(kLength, prefix, id.network + id.container_id);
}
std::string masquerade_chain(const state::AttachmentId& id) {
  return chain_name("CNI-", id);
}
std::string mapping_chain(const state::AttachmentId& id) {
  return chain_name("CNI-DN-", id);
}
std::string spoof_chain(const state::AttachmentId& id) {
  return fmt::format("cni-br-iface-{}-{}", id.container_id, id.ifname);
}

nft::Table masquerade_table() {
  return {nft::Family::inet, "cni_plugins_masquerade"};
}
constexpr const char* kMasqueradeChain = "masq_checks";

std::string network_mark(const std::string& network) {
  constexpr std::size_t kDigits = 16;
  return hashed_name(kDigits, "", network) + "-";
}
/// How the comment of each of the pod's masquerading rules begins.
std::string masquerade_mark(const state::AttachmentId& id) {
  constexpr std::size_t kDigits = 16;
  return network_mark(id.network) + hashed_name(kDigits, "", id.ifname + ":" + id.container_id);
}

nft::Table mapping_table(nft::Family family) {
  return {family, "cni_hostport"};
}
constexpr const char* kMappingChains[] = {"hostports", "hostip_hostports", "masquerading"};

using IsOurs = std::function<bool(const nft::ListedRule&)>;

/// Adds the removal of the rules that `is_ours` picks; how many there are.
std::size_t remove_rules(nft::Batch& batch, kernel::NlSocket& socket, const nft::Table& table, const std::string& chain,
                         const IsOurs& is_ours) {
  std::size_t count = 0;
  batch.set_table(table);
  for (const nft::ListedRule& rule : nft::list_rules(socket, table, chain)) {
    if (!is_ours(rule)) continue;
    batch.delete_rule(chain, rule.handle);
    ++count;
  }
  return count;
}

/// `chain` and what jumps to it from `from`, in one batch. Of two who do so at once, one finds nothing left.
void remove_chains(const nft::Table& table, const std::vector<std::string>& chains, const std::string& from) {
  kernel::NlSocket socket = nft::open_socket();
  std::vector<std::string> present;
  for (const std::string& chain : chains)
    if (nft::chain_use(socket, table, chain)) present.push_back(chain);
  if (present.empty()) return;
  nft::Batch batch(table);
  remove_rules(batch, socket, table, from, [&](const nft::ListedRule& rule) {
    return std::find(present.begin(), present.end(), rule.jump) != present.end();
  });
  // All are emptied before any is removed: they jump to each other.
  for (const std::string& chain : present) batch.flush_chain(chain);
  for (const std::string& chain : present) batch.delete_chain(chain);
  try {
    batch.commit(socket, "removing nftables chain " + present.front());
  } catch (const kernel::KernelError& error) {
    // ENOENT and no chain any more: somebody else was at it too.
    if (error.err() != ENOENT || nft::chain_use(socket, table, present.front())) throw;
  }
}

/// Of the iptables commands of either make.
void remove_nat_chain(const std::string& chain, const std::string& from) {
  for (const nft::Family family : kFamilies) remove_chains({family, kNat}, {chain}, from);
  for (const bool v4 : {true, false}) remove_legacy_chain(v4, kNat, chain, from);
}

void remove_marked(const nft::Table& table, const std::vector<std::string>& chains, const IsOurs& is_ours,
                   const std::string& doing) {
  kernel::NlSocket socket = nft::open_socket();
  nft::Batch batch(table);
  std::size_t count = 0;
  for (const std::string& chain : chains) count += remove_rules(batch, socket, table, chain, is_ours);
  if (count > 0) batch.commit(socket, doing);
}

bool has_marked(const nft::Table& table, const std::string& chain, const IsOurs& is_ours) {
  kernel::NlSocket socket = nft::open_socket();
  const auto rules = nft::list_rules(socket, table, chain);
  return std::any_of(rules.begin(), rules.end(), is_ours);
}

IsOurs is_masquerade_of(const state::AttachmentId& id) {
  return [mark = masquerade_mark(id)](const nft::ListedRule& rule) { return rule.comment.starts_with(mark); };
}
IsOurs is_mapping_of(const state::AttachmentId& id) {
  return [owner = id.container_id](const nft::ListedRule& rule) { return rule.comment == owner; };
}

/// The container in a comment `… name: "NETWORK" id: "CONTAINER"`; empty for other networks and other comments.
std::string container_in(const std::string& comment, const std::string& network) {
  const std::string before = fmt::format("name: \"{}\" id: \"", network);
  const auto begin = comment.find(before);
  if (begin == std::string::npos) return {};
  const auto end = comment.find('"', begin + before.size());
  if (end == std::string::npos) return {};
  return comment.substr(begin + before.size(), end - begin - before.size());
}

/// Containers of the network that rules of `chain` in nat tell of and the runtime does not list.
std::set<std::string> unlisted_containers(const cni::Request& request, const std::string& chain) {
  std::set<std::string> containers;
  const auto take = [&](const std::string& comment) {
    const std::string container = container_in(comment, request.conf.name);
    const auto& valid = request.conf.valid_attachments;
    const bool is_listed =
        std::any_of(valid.begin(), valid.end(), [&](const auto& each) { return each.container_id == container; });
    if (!container.empty() && !is_listed) containers.insert(container);
  };
  kernel::NlSocket socket = nft::open_socket();
  for (const nft::Family family : kFamilies)
    for (const nft::ListedRule& rule : nft::list_rules(socket, {family, kNat}, chain))
      // Administrators' rules may carry any comment: only one that leads to such a chain can be those plugins'.
      if (rule.jump.starts_with("CNI-")) take(rule.comment);
  for (const bool v4 : {true, false})
    for (const std::string& line : list_legacy_chain(v4, kNat, chain)) take(unquoted_comment(line));
  return containers;
}

void for_each_unlisted(const cni::Request& request, const std::string& chain,
                       const std::function<void(const state::AttachmentId&)>& remove) {
  Collector collector;
  for (const std::string& container : unlisted_containers(request, chain))
    collector.run("rules of " + container, [&] {
      remove({.network = request.conf.name, .container_id = container, .ifname = {}, .plugin = {}});
    });
  collector.finish();
}

}  // namespace

void remove_reference_masquerade(const state::AttachmentId& id) {
  remove_nat_chain(masquerade_chain(id), kPostRouting);
  remove_marked(masquerade_table(), {kMasqueradeChain}, is_masquerade_of(id), "no longer masquerading " + id.text());
}

void remove_reference_mappings(const state::AttachmentId& id) {
  remove_nat_chain(mapping_chain(id), kTranslate);
  for (const nft::Family family : kFamilies)
    remove_marked(mapping_table(family), {std::begin(kMappingChains), std::end(kMappingChains)}, is_mapping_of(id),
                  "no longer mapping ports to " + id.text());
}

void remove_reference_spoof_check(const state::AttachmentId& id) {
  const std::string chain = spoof_chain(id);
  remove_chains({nft::Family::bridge, kNat}, {chain, chain + "-mac"}, "PREROUTING");
}

std::string reference_ifb_name(const state::AttachmentId& id) {
  constexpr std::size_t kLength = 15;
  return hashed_name(kLength, "bwp", id.network + id.container_id);
}

bool has_reference_parts(const state::AttachmentId& id) {
  kernel::NlSocket socket = nft::open_socket();
  for (const nft::Family family : kFamilies)
    for (const std::string& chain : {masquerade_chain(id), mapping_chain(id)})
      if (nft::chain_use(socket, {family, kNat}, chain)) return true;
  for (const bool v4 : {true, false})
    for (const std::string& chain : {masquerade_chain(id), mapping_chain(id)})
      if (has_legacy_chain(v4, kNat, chain)) return true;
  if (nft::chain_use(socket, {nft::Family::bridge, kNat}, spoof_chain(id))) return true;
  if (has_marked(masquerade_table(), kMasqueradeChain, is_masquerade_of(id))) return true;
  // A pod whose mappings all name an address of the node has none in "hostports".
  for (const nft::Family family : kFamilies)
    for (const char* chain : kMappingChains)
      if (has_marked(mapping_table(family), chain, is_mapping_of(id))) return true;
  kernel::NlSocket host;
  return kernel::find_link(host, reference_ifb_name(id)).has_value();
}

void collect_reference_masquerade(const cni::Request& request) {
  if (!request.conf.has_valid_attachments) return;
  for_each_unlisted(request, kPostRouting,
                    [](const state::AttachmentId& id) { remove_nat_chain(masquerade_chain(id), kPostRouting); });
  std::set<std::string> valid;
  for (const auto& each : request.conf.valid_attachments)
    valid.insert(masquerade_mark(
        {.network = request.conf.name, .container_id = each.container_id, .ifname = each.ifname, .plugin = {}}));
  const std::string mark = network_mark(request.conf.name);
  const std::size_t size = masquerade_mark({}).size();
  const auto is_unlisted = [&](const nft::ListedRule& rule) {
    return rule.comment.starts_with(mark) && !valid.contains(rule.comment.substr(0, size));
  };
  remove_marked(masquerade_table(), {kMasqueradeChain}, is_unlisted, "no longer masquerading pods that are gone");
}

void collect_reference_mappings(const cni::Request& request) {
  if (!request.conf.has_valid_attachments) return;
  for_each_unlisted(request, kTranslate,
                    [](const state::AttachmentId& id) { remove_nat_chain(mapping_chain(id), kTranslate); });
}

}  // namespace barewire::standard
