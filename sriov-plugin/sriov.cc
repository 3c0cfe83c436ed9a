// SPDX-License-Identifier: Apache-2.0
// The sriov plugin: its five operations, each a short list of steps.
#include <fmt/ranges.h>

#include <algorithm>

#include "core/cni/delegate.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/rollback.h"
#include "sriov-plugin/claimed.h"
#include "sriov-plugin/detach.h"
#include "sriov-plugin/drift.h"
#include "sriov-plugin/explain.h"
#include "sriov-plugin/plugins.h"
#include "sriov-plugin/steps.h"

namespace barewire {

namespace sriov {

namespace {

constexpr std::string_view kPlugin = "sriov";

void clear_leftover_of(Work& work, const state::AttachmentId& holder) {
  if (holder == work.attachment.id) return;
  undo_if_dead(holder, work.host.store, kPlugin, [&](const state::Attachment& dead) {
    detach(work.host, dead, Addresses::release, work.request.environment.path, work.node);
  });
}

void clear_leftovers(Work& work) {
  clear_leftover(work.host.store, work.attachment.id, [&](const state::Attachment& earlier) {
    detach(work.host, earlier, Addresses::release, work.request.environment.path, work.node);
  });
  if (work.config.device) {
    if (const auto holder = work.host.store.holder(*work.config.device)) clear_leftover_of(work, *holder);
    return;
  }
  // A dead pod's VF is taken back only when it is needed: looking for the dead takes a census of all netns.
  if (count_free(work.host, work.config) > 0) return;
  for (const state::Attachment& attachment : work.host.store.list()) clear_leftover_of(work, attachment.id);
}

/// Attaches a VF. Throws cni::LackError when this node has none that will do.
cni::Result add_vf(const cni::Request& request, Node& node) {
  Work work(request, node);
  cni::require_ipam(request, node);
  const state::FileLock lock = work.host.store.lock_attachment(work.attachment.id);
  clear_leftovers(work);
  Rollback rollback;
  {
    // The reservation holds the PF's lock, and ends with this block: moving and IPAM may take seconds, and other pods
    // wait.
    const vf::Reservation reservation = reserve(work.host, work.config);
    cni::lacking(cni::Lack::unsupported, Error::Code::unsupported_by_nic, [&] { preflight(work, reservation); });
    rollback.add("attachment", [&work] {
      const auto addresses = work.addressed ? Addresses::release : Addresses::untouched;
      detach(work.host, work.attachment, addresses, work.request.environment.path, work.node);
    });
    claim(work, reservation);
    configure(work);
  }
  const std::optional<kernel::Link> link = move(work);
  const cni::Result result = address(work, link);
  conclude(work, link, result);
  rollback.keep();
  return result;
}

cni::Result add(const cni::Request& request, Node& node) {
  cni::require_fallback(request, node);
  try {
    return add_vf(with_claim(request, node), node);
  } catch (const cni::LackError& lack) {
    // After everything of ours is undone, since the fallback may ask for the same interface name and addresses.
    return cni::add_by_fallback(request, node, kPlugin, lack);
  }
}

void del(const cni::Request& request, Node& node) {
  vf::Host host(node);
  const state::AttachmentId id = state::attachment_id(request, kPlugin);
  const state::FileLock lock = host.store.lock_attachment(id);
  if (const auto attachment = host.store.find(id))
    return detach(host, *attachment, Addresses::release, request.environment.path, node);
  Collector undo;
  undo.run("restoring what has no record of ours", [&] {
    // Attached by sriov-cni before this node changed over; else by us, with a record that was lost.
    if (!detach_peer(host, request, node)) detach_unrecorded(host, request, node);
  });
  undo.run("releasing addresses", [&] { cni::ipam_del(request, node); });
  undo.finish();
}

void check(const cni::Request& request, Node& node) {
  vf::Host host(node);
  const auto attachment = host.store.find(state::attachment_id(request, kPlugin));
  if (!attachment)
    throw Error(Error::Code::unknown_container,
                fmt::format("there is no attachment {}", state::attachment_id(request, kPlugin).text()),
                "it was DELeted, made by another plugin, or the node was booted since");
  if (cni::is_by_fallback(*attachment)) return cni::check_fallback(*attachment, request, node);
  cni::ipam_check(request, node);
  check_attachment(host, *attachment, request.conf.previous);
}

void gc(const cni::Request& request, Node& node) {
  vf::Host host(node);
  Collector undo;
  undo.run("collecting attachments", [&] {
    collect_unlisted(request, host.store, kPlugin, [&](const state::Attachment& attachment) {
      detach(host, attachment, Addresses::release, request.environment.path, node);
    });
  });
  undo.run("GC of the IPAM plugin", [&] { cni::ipam_gc(request, node); });
  undo.run("GC of the fallback", [&] { cni::gc_fallback(request, node); });
  undo.finish();
}

/// Without a pool the devices come with each ADD; then the node must have VFs at all.
bool has_any_vf(vf::Host& host) {
  const auto functions = kernel::list_network_functions(host.sysfs);
  return std::any_of(functions.begin(), functions.end(), [&](const kernel::PciFunction& function) {
    return !kernel::list_vf_addresses(host.sysfs, function.address).empty();
  });
}

[[noreturn]] void lack(cni::Lack what, const std::string& text, const std::string& hint) {
  throw cni::LackError(what, Error(Error::Code::not_available, text, hint));
}

void require_pool(vf::Host& host, const Config& config) {
  const PoolState state = inspect_pool(host, config);
  // VFs that are all in use are no error but where that is asked for: a runtime takes one for a node that is not ready,
  // with all its other networks.
  const bool is_exhausted = config.strict_status && count_free(host, config) == 0;
  if (is_exhausted && state.missing.empty())
    lack(cni::Lack::free_vf, fmt::format("no VF of pool \"{}\" is free", config.pool_text),
         "`barewire list` shows who holds them");
  if (is_exhausted || state.missing.size() == config.pool.size())
    lack(cni::Lack::device,
         fmt::format("PF {} of pool \"{}\" is gone", fmt::join(state.missing, ", "), config.pool_text),
         "`barewire list` shows the PFs there are, and who holds their VFs");
  // The pod would start and reach nobody; the CNI specification has an error of its own for it (51), which runtimes may
  // put up with.
  if (!state.carrier)
    throw Error(Error::Code::limited_connectivity, fmt::format("no PF of pool \"{}\" has a carrier", config.pool_text),
                "look at the cable or the switch port, and whether the PF is up");
}

/// Throws cni::LackError when an ADD would.
void require_vf(const cni::Request& request, Node& node) {
  vf::Host host(node);
  const Config config = Config::parse_pool(request);
  if (config.device && !kernel::find_vf_place(host.sysfs, *config.device))
    lack(cni::Lack::device, fmt::format("{} is not a VF of this node", *config.device),
         "its PF is gone, or has fewer VFs now");
  if (!config.device && !config.pool.empty()) require_pool(host, config);
  if (!config.device && config.pool.empty() && !has_any_vf(host))
    lack(cni::Lack::device, "this node has no VF", "`barewire provision` makes VFs");
}

void status(const cni::Request& request, Node& node) {
  try {
    require_vf(request, node);
  } catch (const cni::LackError& missing) {
    return cni::status_by_fallback(request, node, missing);
  }
  cni::ipam_status(request, node);
}

/// Where the configuration names no VF, the runtime will: any address stands in for its.
void validate(const cni::Request& request) {
  const JsonView root = request.conf.root();
  const bool named = request.conf.runtime_config("deviceID") || root.has("deviceID") || root.has("pciBusID") ||
                     root.has("pf") || root.has("pool");
  Config::parse(request, named ? std::nullopt : std::optional<std::string>("0000:00:00.0"));
}

}  // namespace

}  // namespace sriov

const cni::Plugin kSriov{.name = "sriov",
                         .about = "moves an SR-IOV virtual function into a pod",
                         .add = sriov::add,
                         .del = sriov::del,
                         .check = sriov::check,
                         .gc = sriov::gc,
                         .status = sriov::status,
                         .validate = sriov::validate,
                         .explain = sriov::explain,
                         .drift =
                             [](const state::Attachment& attachment, Node& node) {
                               vf::Host host(node);
                               return sriov::find_drift(host, attachment);
                             },
                         .repair = sriov::repair};

}  // namespace barewire
