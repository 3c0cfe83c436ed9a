// SPDX-License-Identifier: Apache-2.0
// The plugins ovs and userspace: their operations. One set of them, told apart by whose keys are read.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/cni/delegate.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/rollback.h"
#include "ovs-plugin/attach.h"
#include "ovs-plugin/check.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/plugins.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire {

namespace ovs {

namespace {

cni::Result add(const cni::Request& request, Node& node, std::string_view plugin) {
  // Before the switch is asked: a fallback that is wrong is found out on a good day.
  cni::require_fallback(request, node);
  try {
    return attach_port(request, node, plugin);
  } catch (const cni::LackError& lack) {
    return cni::add_by_fallback(request, node, plugin, lack);
  }
}

void del(const cni::Request& request, Node& node, std::string_view plugin) {
  const state::Store store(node.run_dir);
  const state::AttachmentId id = state::attachment_id(request, plugin);
  const state::FileLock lock = store.lock_attachment(id);
  if (const auto attachment = store.find(id)) return detach(store, *attachment, request.environment.path, node);
  detach_unrecorded(request, node);
}

void check(const cni::Request& request, Node& node, std::string_view plugin) {
  const auto attachment = state::Store(node.run_dir).find(state::attachment_id(request, plugin));
  if (attachment && cni::is_by_fallback(*attachment)) return cni::check_fallback(*attachment, request, node);
  cni::ipam_check(request, node);
  check_attachment(request, attachment, plugin, node);
}

void gc(const cni::Request& request, Node& node, std::string_view plugin) {
  Collector undo;
  const state::Store store(node.run_dir);
  undo.run("collecting attachments", [&] {
    collect_unlisted(request, store, plugin, [&](const state::Attachment& attachment) {
      detach(store, attachment, request.environment.path, node);
    });
  });
  // Without the list every port would be unlisted, and GC would cut off the whole node.
  if (request.conf.has_valid_attachments) undo.run("collecting ports", [&] { collect_ports(request); });
  undo.run("GC of the IPAM plugin", [&] { cni::ipam_gc(request, node); });
  undo.run("GC of the fallback", [&] { cni::gc_fallback(request, node); });
  undo.finish();
}

void status(const cni::Request& request, Node& node, std::string_view plugin) {
  const OvsConfig config = OvsConfig::parse(request, plugin);
  try {
    // The switch before the device: a fallback serves either, but the first thing that is missing names the reason.
    require_switch(config.endpoint, config.bridge, config.dpdk_ports());
    if (config.device) require_offload(config, node);
  } catch (const cni::LackError& lack) {
    return cni::status_by_fallback(request, node, lack);
  }
  cni::ipam_status(request, node);
}

/// A bridge may be left to the device, which the runtime brings: any address stands in for it.
void validate(const cni::Request& request, std::string_view plugin) {
  const JsonView root = request.conf.root();
  if (root.has("bridge") || root.has("deviceID") || root.has("pciBusID") || request.conf.runtime_config("deviceID")) {
    OvsConfig::parse(request, plugin);
    return;
  }
  boost::json::object config = root.value().as_object();
  config["deviceID"] = "0000:00:00.0";
  cni::Request with_device = request;
  with_device.conf = cni::NetConf::parse(boost::json::serialize(config));
  OvsConfig::parse(with_device, plugin);
}

}  // namespace

}  // namespace ovs

const cni::Plugin kOvs{
    .name = ovs::kPlugin,
    .about = "puts a pod on an Open vSwitch bridge",
    .add = [](const cni::Request& request, Node& node) { return ovs::add(request, node, ovs::kPlugin); },
    .del = [](const cni::Request& request, Node& node) { ovs::del(request, node, ovs::kPlugin); },
    .check = [](const cni::Request& request, Node& node) { ovs::check(request, node, ovs::kPlugin); },
    .gc = [](const cni::Request& request, Node& node) { ovs::gc(request, node, ovs::kPlugin); },
    .status = [](const cni::Request& request, Node& node) { ovs::status(request, node, ovs::kPlugin); },
    .validate = [](const cni::Request& request) { ovs::validate(request, ovs::kPlugin); }};

const cni::Plugin kUserspace{
    .name = ovs::kUserspacePlugin,
    .about = "gives a pod a vhost-user socket of OVS-DPDK, with the keys of userspace-cni",
    .add = [](const cni::Request& request, Node& node) { return ovs::add(request, node, ovs::kUserspacePlugin); },
    .del = [](const cni::Request& request, Node& node) { ovs::del(request, node, ovs::kUserspacePlugin); },
    .check = [](const cni::Request& request, Node& node) { ovs::check(request, node, ovs::kUserspacePlugin); },
    .gc = [](const cni::Request& request, Node& node) { ovs::gc(request, node, ovs::kUserspacePlugin); },
    .status = [](const cni::Request& request, Node& node) { ovs::status(request, node, ovs::kUserspacePlugin); },
    .validate = [](const cni::Request& request) { ovs::OvsConfig::parse(request, ovs::kUserspacePlugin); }};

}  // namespace barewire
