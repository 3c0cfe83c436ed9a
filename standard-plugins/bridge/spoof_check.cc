// SPDX-License-Identifier: Apache-2.0
// Sets hold the ports and addresses, so that a pod is two elements and no rule of its own.
#include "standard-plugins/bridge/spoof_check.h"

#include <linux/netfilter/nf_tables.h>

#include "core/kernel/nftables.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;

namespace {

constexpr std::uint32_t kPreRouting = 0;       // NF_BR_PRE_ROUTING, whose header does not go with <netinet/in.h>
constexpr int kDestinationNatPriority = -300;  // "dstnat" of family bridge, nft(8): before bridge filtering
constexpr const char* kPorts = "checked_ports";
constexpr const char* kAllowed = "allowed_sources";

nft::Fixture fixture() {
  constexpr std::uint32_t kSourceMacOffset = 6, kMacSize = 6, kAfterName = 4;  // an interface name fills four slots
  nft::Chain chain{.name = "macspoofchk",
                   .hook = nft::Chain::Hook{"filter", kPreRouting, kDestinationNatPriority},
                   .comment = "frames of pods from a MAC address not their own",
                   .rules = {}};
  nft::Rule rule;
  rule.meta(NFT_META_IIFNAME, 0).in_set(kPorts, 0);
  rule.meta(NFT_META_IIFNAME, 0)
      .payload(NFT_PAYLOAD_LL_HEADER, kSourceMacOffset, kMacSize, kAfterName)
      .in_set(kAllowed, 0, false);
  // Counted, so that an administrator sees that it is this which drops: `nft list table bridge barewire`.
  chain.rules.push_back(rule.counter().drop());
  return {.table = {nft::Family::bridge, "barewire"},
          .sets = {{.name = kPorts, .key = {nft::Type::ifname}, .data = {}, .comment = {}},
                   {.name = kAllowed, .key = {nft::Type::ifname, nft::Type::ether_addr}, .data = {}, .comment = {}}},
          .chains = {chain}};
}

std::vector<nft::Element> elements_of(const state::AttachmentId& id, const SpoofCheck& check) {
  return {{.set = kPorts, .key = nft::Key().interface_name(check.port), .data = {}, .comment = owner_text(id)},
          {.set = kAllowed,
           .key = nft::Key().interface_name(check.port).mac(check.mac),
           .data = {},
           .comment = owner_text(id)}};
}

}  // namespace

std::optional<SpoofCheck> SpoofCheck::from_record(const state::Attachment& attachment) {
  const boost::json::value* found = attachment.data.if_contains("spoofCheck");
  if (found == nullptr || !found->is_object()) return std::nullopt;
  const JsonView view(*found, "record key", Error::Code::state);
  const auto mac = MacAddress::parse(view.at("mac").string());
  if (!mac) view.at("mac").reject("a MAC address");
  return SpoofCheck{view.at("port").string(), *mac};
}

void SpoofCheck::to_record(state::Attachment& attachment) const {
  attachment.data["spoofCheck"] = boost::json::object{{"port", port}, {"mac", mac.text()}};
}

void add_spoof_check(const state::AttachmentId& id, const SpoofCheck& check) {
  kernel::NlSocket socket = nft::open_socket();
  nft::put(socket, fixture(), elements_of(id, check), "allowing only " + check.mac.text() + " on " + check.port);
}

void remove_spoof_check(const state::AttachmentId& id, const SpoofCheck& check) {
  kernel::NlSocket socket = nft::open_socket();
  nft::drop(socket, fixture(), elements_of(id, check), "no longer checking the addresses of " + check.port);
}

std::vector<std::string> compare_spoof_check(const state::AttachmentId& id, const SpoofCheck& check) {
  kernel::NlSocket socket = nft::open_socket();
  return nft::compare(socket, fixture(), elements_of(id, check));
}

}  // namespace barewire::standard
