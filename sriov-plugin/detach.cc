// SPDX-License-Identifier: Apache-2.0
// DEL, GC, rollback and the node daemon come here, after any part of an ADD: each step finds out whether it is due.
#include "sriov-plugin/detach.h"

#include "core/cni/device_info.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/restore.h"
#include "hw-profiles/nic.h"

namespace barewire::sriov {

namespace {

vf::VfRecord vf_of(const state::Attachment& attachment) {
  return vf::parse_vf_record(attachment.data, fmt::format("record of attachment {}: key", attachment.id.text()));
}

void restore(vf::Host& host, const state::Attachment& attachment, Node& node) {
  if (!attachment.data.contains("device")) return;  // it never came to a claim
  const vf::VfRecord record = vf_of(attachment);
  // The claim, not the record, says whose the VF is: a DEL that comes late must not touch what another pod has by now.
  if (host.store.holder(record.device) != attachment.id) return;
  // A boot gives every VF its driver's beginnings again; settings from before it are nobody's any more.
  if (is_of_this_boot(attachment))
    vf::restore_vf(host, record, {attachment.netns, attachment.netns_id}, attachment.id.ifname,
                   hw::find_habits(node, host, record.pf));
  host.store.release(record.device, attachment.id);
}

void restore_device_info(const state::Attachment& attachment) {
  const boost::json::value data(attachment.data);
  const auto info = JsonView(data, "record key", Error::Code::state).find("deviceInfo");
  if (!info) return;
  const auto before = info->find("before");
  cni::undo_device_info(info->at("path").string(), before ? std::optional(before->string()) : std::nullopt);
}

}  // namespace

void detach(vf::Host& host, const state::Attachment& attachment, Addresses addresses, const std::string& cni_path,
            Node& node) {
  // The record says who attached this pod: there is no VF to give back where the fallback's plugin did.
  if (cni::is_by_fallback(attachment)) return cni::undo_fallback(attachment, cni_path, node);
  Collector undo;
  if (addresses == Addresses::release)
    // Each by itself: an IPAM plugin that fails must not keep the VF from its next pod.
    undo.run("releasing addresses", [&] { release_addresses(attachment, cni_path, node); });
  undo.run("restoring the VF", [&] { restore(host, attachment, node); });
  undo.run("restoring the device-info file", [&] { restore_device_info(attachment); });
  // Last, and only when all of it worked: the record is what the next DEL, GC or the node daemon tries again from.
  if (!undo.failed()) host.store.remove(attachment.id);
  undo.finish();
}

}  // namespace barewire::sriov
