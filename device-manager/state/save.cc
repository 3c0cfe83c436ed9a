// SPDX-License-Identifier: Apache-2.0
// `barewire provision --save`: a file for each NIC, so that nothing an administrator wrote is written over.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "core/fd.h"
#include "core/trusted_file.h"
#include "device-manager/snapshot_json.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::declared {
namespace {

namespace json = boost::json;

void require_undeclared(const NicFacts& facts, const std::string& file, const std::string& own) {
  const Declaration declaration = read_whole_declaration(file);
  if (!declaration.problems.empty())
    throw Error(Error::Code::config, "saving is refused: " + declaration.problems.front().text,
                "mend the declaration first; `barewire plan` tells all that is wrong with it");
  for (const Nic& nic : declaration.nics) {
    if (nic.file == own) continue;
    for (const Selector& selector : nic.selectors)
      if (matches(selector, facts))
        throw Error(Error::Code::config,
                    fmt::format("saving is refused: {} is declared at {} already", facts.name(), nic.place()),
                    "change it there, then run `barewire apply`");
  }
}

std::string document(const vf::Pf& pf, const manager::ProvisionRequest& request) {
  json::object nic{{"select", json::object{{"pci", pf.pci.address}}}, {"vfs", request.vfs}};
  // `provision` raises the PF's MTU and never lowers it; a declared one is what the PF gets.
  if (request.mtu) nic["mtu"] = std::max(*request.mtu, pf.link ? pf.link->mtu : 0);
  if (request.vfs > 0 && (request.driver || request.mtu)) {
    json::object group{{"vfs", request.vfs == 1 ? "0" : fmt::format("0-{}", request.vfs - 1)}};
    if (request.driver) group["driver"] = *request.driver;
    if (request.mtu) group["mtu"] = *request.mtu;
    nic["groups"] = json::array{std::move(group)};
  }
  return manager::pretty(
      json::object{{"comment", "written by `barewire provision --save`"}, {"nics", json::array{std::move(nic)}}});
}

}  // namespace

Saved::Saved(const Node& node, const std::string& file, const manager::ProvisionRequest& request) {
  kernel::NlSocket socket;
  const std::string address = manager::read_pf_facts(node, socket, request.pf).pf.pci.address;
  path_ = fmt::format("{}/saved-{}.json", directory_beside(file), address);
  const NicFacts facts = read_facts_of(node, address);
  require_undeclared(facts, file, path_);
  bytes_ = document(facts.pf(), request);
}

void Saved::write() const {
  make_directories(directory_of(path_));
  write_file_atomically(path_, bytes_, Durability::durable, 0644);
}

}  // namespace barewire::declared
