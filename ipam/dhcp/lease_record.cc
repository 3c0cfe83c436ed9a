// SPDX-License-Identifier: Apache-2.0
// Written before the server is asked to grant: a daemon killed in between knows what it may have been given.
#include "ipam/dhcp/lease_record.h"

#include <sys/random.h>

#include <limits>

#include "core/log.h"
#include "core/vf/netns_search.h"
#include "ipam/dhcp/packet_socket.h"

namespace barewire::ipam::dhcp {

namespace {

MacAddress mac_in(const JsonView& key) {
  const auto mac = MacAddress::parse(key.string());
  if (!mac) key.reject("a MAC address");
  return *mac;
}

}  // namespace

state::Store lease_store(const std::string& run_dir) {
  return state::Store(run_dir + "/dhcp");
}

state::Attachment LeaseRecord::to_attachment() const {
  state::Attachment result = attachment;
  result.data = {{"index", index}, {"mac", hardware.text()}, {"broadcast", broadcast}, {"daemon", daemon}};
  if (terms) result.data["terms"] = terms->to_json();
  if (granted) result.data["grantedMs"] = granted->count();
  if (server_mac) result.data["serverMac"] = server_mac->text();
  return result;
}

LeaseRecord LeaseRecord::from_attachment(state::Attachment attachment) {
  const boost::json::value document = attachment.data;
  const JsonView data(document, fmt::format("record of lease {}: key", attachment.id.text()), Error::Code::state);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  LeaseRecord record;
  record.index = static_cast<int>(data.at("index").integer(1, std::numeric_limits<int>::max(), "an interface number"));
  record.hardware = mac_in(data.at("mac"));
  record.broadcast = data.boolean_or("broadcast", false);
  record.daemon = data.string_or("daemon", "");
  if (const auto terms = data.find("terms")) record.terms = Terms::from_json(*terms);
  if (const auto granted = data.find("grantedMs")) record.granted = Time(granted->integer(0, kMost, "milliseconds"));
  if (const auto mac = data.find("serverMac")) record.server_mac = mac_in(*mac);
  record.attachment = std::move(attachment);
  return record;
}

cni::Request request_of(const state::Attachment& attachment) {
  cni::Environment environment = attachment.del_environment();
  // The configuration was ADD's; that of DEL is read leniently, and a key that is wrong would be passed over.
  environment.command = "ADD";
  return cni::Request::parse(environment, attachment.config, cni::Version{0, 1, 0});
}

Identity identity_of(const LeaseRecord& record) {
  const state::AttachmentId& id = record.attachment.id;
  return {.hardware = record.hardware,
          .client_identifier = client_identifier(id.network, id.container_id, id.ifname),
          .config = Config::parse(request_of(record.attachment)),
          .broadcast = record.broadcast};
}

std::optional<kernel::NetNs> netns_of(const LeaseRecord& record, const std::string& host_prefix) {
  const auto& id = record.attachment.netns_id;
  if (!id) return std::nullopt;
  auto netns = kernel::NetNs::try_open(host_prefix + record.attachment.netns);
  // By identity: a runtime uses the same path again for a later pod.
  if (netns && netns->id() == *id) return netns;
  vf::NetNsFinding finding = vf::NetNsCensus::take().find(*id);
  // Unknown is not gone: the lease stays.
  finding.exists().require(fmt::format("the netns of lease {} lives", record.attachment.id.text()));
  return std::move(finding.netns);
}

bool release(const LeaseRecord& record, const std::string& host_prefix) {
  if (!record.terms) return false;
  const auto netns = netns_of(record, host_prefix);
  if (!netns) return false;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto link = kernel::find_link(inside, record.index);
  // Nothing can be sent from a link that is down.
  if (!link || !link->is_up()) return false;
  const Message message = release_message(identity_of(record), *record.terms, random_number());
  PacketSocket(*netns, record.index).send(message, record.terms->server, record.server_mac);
  return true;
}

void forget(state::Store& store, const state::AttachmentId& id, const std::string& host_prefix) {
  try {
    auto attachment = store.find(id);
    if (!attachment) return;
    const LeaseRecord record = LeaseRecord::from_attachment(std::move(*attachment));
    // Releasing is a courtesy: an address that is not released is free when its lease has run out.
    if (!release(record, host_prefix) && record.granted)
      log_info("lease {}: cannot be released, its interface is gone; it will run out", id.text());
  } catch (const Error& error) {
    log_warning("lease {}: releasing it failed, ignoring, it will run out: {}", id.text(), error.what());
  }
  // In any case: the next daemon would take up a record that stays.
  store.remove(id);
}

std::uint32_t random_number() {
  std::uint32_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return number;
}

}  // namespace barewire::ipam::dhcp
