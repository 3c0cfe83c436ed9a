// SPDX-License-Identifier: Apache-2.0
/// `barewire reserve` and `barewire unreserve`: keeping VFs back from every pool. A VF kept back is a promise to the
/// administrator, in the same records as kubelet's and those of claims.
#include "core/journal.h"
#include "device-manager/cli/session.h"
#include "device-manager/inventory/allocate.h"

namespace barewire::cli {
namespace {

struct Options {
  std::vector<std::string> devices;
  std::string reason;
};

std::string address_of(const std::string& text) {
  if (auto address = kernel::normalise_pci_address(text)) return *std::move(address);
  throw Error(Error::Code::environment, fmt::format("\"{}\" is not a PCI address, as 0000:01:10.3", text),
              "`barewire list` shows the VFs of this node with theirs");
}

void record_change(std::string command, std::string device, std::string what) {
  journal::record({.kind = journal::Kind::change,
                   .command = std::move(command),
                   .device = std::move(device),
                   .what = std::move(what)});
}

/// All of them or none: what was kept back before one is refused is given up again.
void reserve(const Session& session, const Options& options) {
  vf::Host host(session.node);
  std::vector<std::string> done;
  try {
    for (const std::string& text : options.devices) {
      state::Allocation wanted{.device = address_of(text),
                               .by = state::Allocation::kAdmin,
                               .owner = options.reason,
                               .since = state::now_text()};
      // Reserving again only changes the reason.
      const bool anew = !host.allocations.find(wanted.device);
      // Refused where a pod holds the device, where kubelet was promised it, or where the host uses it.
      inventory::allocate(host, wanted);
      if (anew) done.push_back(wanted.device);
      if (anew) record_change("reserve", wanted.device, "kept back: " + options.reason);
      session.print(fmt::format("{} is kept back\n", wanted.device));
    }
  } catch (const Error&) {
    // Only what this call reserved: a device that was kept back before stays so.
    for (const std::string& device : done) {
      inventory::release(host, device, state::Allocation::kAdmin, "");
      record_change("unreserve", device, "given back, since another could not be kept back");
    }
    throw;
  }
}

void unreserve(Session& session, const Options& options) {
  vf::Host host(session.node);
  for (const std::string& text : options.devices) {
    const std::string device = address_of(text);
    const bool was = inventory::release(host, device, state::Allocation::kAdmin, "");
    if (was) record_change("unreserve", device, "given back");
    session.print(fmt::format("{} {}\n", device, was ? "is given back" : "was not kept back"));
    if (!was) session.exit = Exit::problems;
  }
}

void add_devices(CLI::App& command, Options& options) {
  command.add_option("device", options.devices, "PCI addresses of VFs")->required()->type_name("PCI");
}

}  // namespace

void add_reserve_commands(CLI::App& app, Session& session) {
  auto* keep = app.add_subcommand("reserve", "Keep VFs back from every pool, until unreserve");
  const auto options = std::make_shared<Options>();
  add_devices(*keep, *options);
  keep->add_option("--reason", options->reason, "What for; `barewire list` shows it")->type_name("TEXT");
  keep->footer("Examples:\n  barewire reserve 0000:01:10.3 --reason \"virtual machine db-1\"");
  keep->callback([&session, options] { reserve(session, *options); });
  auto* back = app.add_subcommand("unreserve", "Give VFs back that `reserve` keeps");
  const auto given = std::make_shared<Options>();
  add_devices(*back, *given);
  back->footer("Examples:\n  barewire unreserve 0000:01:10.3");
  back->callback([&session, given] { unreserve(session, *given); });
}

}  // namespace barewire::cli
