// SPDX-License-Identifier: Apache-2.0
// Everything that is wrong is found before anything is said to be wanted.
#include "device-manager/cluster/assemble.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/text.h"
#include "device-manager/cluster/objects.h"
#include "device-manager/cluster/translate.h"
#include "device-manager/state/keys.h"
#include "device-manager/state/plan.h"
#include "device-manager/state/reader.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;
using declared::NicFacts;

Error refuse_selector(const std::string& text) {
  return Error(Error::Code::config, fmt::format("annotation \"{}\" is \"{}\"; expected labels such as \"role=worker\"",
                                                kSelectorAnnotation, text));
}

Labels parse_selector(const std::string& text) {
  Labels selector;
  std::string_view rest = trim(text);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view term = trim(rest.substr(0, comma));
    const std::size_t equals = term.find('=');
    if (equals == std::string_view::npos || equals == 0) throw refuse_selector(text);
    selector[std::string(trim(term.substr(0, equals)))] = std::string(trim(term.substr(equals + 1)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return selector;
}

bool covers(const std::vector<declared::Nic>& nics, const NicFacts& facts) {
  return std::any_of(nics.begin(), nics.end(), [&](const declared::Nic& nic) {
    return std::any_of(nic.selectors.begin(), nic.selectors.end(),
                       [&](const declared::Selector& each) { return declared::matches(each, facts); });
  });
}

class Assembly {
 public:
  Assembly(const Sources& sources, const std::vector<NicFacts>& facts) : sources_(sources), facts_(facts) {
    result_.whole = sources.own;
    result_.own_nics = sources.own.nics.size();
  }

  Assembled run() {
    require_policies();
    add_policies();
    for (const json::value& each : sources_.config_maps) add_config_map(each);
    add_released();
    check();
    result_.document["comment"] = "written by barewired from what the cluster declares; changes are lost";
    result_.document["nics"] = std::move(nics_);
    if (!resources_.empty()) result_.document["resourceList"] = std::move(resources_);
    return std::move(result_);
  }

 private:
  void require_policies() const {
    if (sources_.policies || !sources_.kept || !sources_.kept->is_object()) return;
    const json::value* nics = sources_.kept->get_object().if_contains("nics");
    if (nics == nullptr || !nics->is_array()) return;
    for (const json::value& each : nics->get_array())
      if (text_at(each, {"comment"}).starts_with("SriovNetworkNodePolicy"))
        throw Error(Error::Code::config,
                    "the API server no longer knows SriovNetworkNodePolicy: what it declared last stays in force",
                    "were its CRDs deleted? Delete the policies first, then VFs go");
  }

  void add_policies() {
    std::vector<Policy> chosen;
    for (const json::value& each : sources_.policies.value_or(std::vector<json::value>())) {
      // One for other nodes may be as wrong as it likes.
      if (!is_for_node(each)) continue;
      if (auto policy = parse_policy(result_.problems, each)) chosen.push_back(*std::move(policy));
    }
    Wanted wanted = translate(std::move(chosen), facts_, sources_.prefix);
    result_.problems.insert(result_.problems.end(), wanted.problems.begin(), wanted.problems.end());
    for (Wanted::Entry& each : wanted.entries) add_entry(each.origin, std::move(each.nic));
    for (const json::value& each : wanted.resources) add_resource(each);
  }

  bool is_for_node(const json::value& policy) {
    bool selected = true;  // also where that cannot be told: the whole policy is read then, and found wrong
    declared::attempt(ignored_, [&] {
      const auto selector = JsonView(policy).at("spec").find("nodeSelector");
      Labels labels;
      if (selector)
        for (const auto& [name, value] : selector->members()) labels[name] = value.string();
      selected = is_selected(labels, sources_.labels);
    });
    return selected;
  }

  void add_entry(const std::string& origin, json::object nic) {
    nic["comment"] = origin;
    const std::string pci = text_at(nic, {"select", "pci"});
    const json::value document = json::object{{pci, nic}};
    const JsonView root(document, origin + ": key");
    declared::attempt(result_.problems, [&] {
      result_.whole.nics.push_back(declared::parse_nic(result_.problems, root.at(pci), origin));
    });
    result_.whole.files.push_back(origin);
    nics_.emplace_back(std::move(nic));
  }

  void add_resource(const json::value& resource) {
    result_.whole.resources.push_back(resource);
    resources_.push_back(resource);
  }

  void add_config_map(const json::value& object) {
    const std::string origin = fmt::format("ConfigMap {}/{}", text_at(object, {"metadata", "namespace"}),
                                           text_at(object, {"metadata", "name"}));
    bool selected = false;
    declared::attempt(result_.problems, [&] {
      selected = is_selected(parse_selector(annotation_of(object, kSelectorAnnotation)), sources_.labels);
    });
    if (!selected) return;
    const std::string bytes = text_at(object, {"data", "node.json"});
    declared::Declaration declaration;
    declared::add_file(declaration, origin, bytes);
    for (const declared::OvsBridge& each : declaration.bridges)
      declaration.problems.push_back(
          {fmt::format("{}: {}: Barewire makes no bridges from the cluster", origin, each.key),
           "declare them on the node, in /etc/barewire/node.d"});
    result_.problems.insert(result_.problems.end(), declaration.problems.begin(), declaration.problems.end());
    if (!declaration.problems.empty()) return;
    result_.whole.files.push_back(origin);
    result_.whole.nics.insert(result_.whole.nics.end(), declaration.nics.begin(), declaration.nics.end());
    for (const json::value& each : declaration.resources) add_resource(each);
    keep_entries(bytes, origin);
  }

  void keep_entries(const std::string& bytes, const std::string& origin) {
    const json::value document = parse_json(bytes, origin);
    const auto nics = JsonView(document).find("nics");
    if (!nics) return;
    for (const JsonView& each : nics->array()) {
      json::object nic = each.value().as_object();
      nic["comment"] = origin;
      nics_.emplace_back(std::move(nic));
    }
  }

  void add_released() {
    if (!sources_.kept) return;
    declared::Declaration before;
    declared::add_file(before, "kept", json::serialize(*sources_.kept));
    std::erase_if(before.nics, [](const declared::Nic& nic) { return nic.externally_managed || !nic.vfs; });
    for (const NicFacts& nic : facts_) {
      if (!covers(before.nics, nic) || covers(result_.whole.nics, nic)) continue;
      const bool is_switch = nic.eswitch == kernel::EswitchMode::switchdev;
      if (nic.pf().vfs.empty() && !is_switch) continue;
      json::object entry{{"select", json::object{{"pci", nic.pf().pci.address}}}, {"vfs", 0}};
      if (is_switch) entry["eswitch"] = "legacy";
      add_entry("no longer declared by the cluster", std::move(entry));
    }
  }

  void check() {
    declared::check_together(result_.whole);
    auto& problems = result_.whole.problems;
    result_.problems.insert(result_.problems.end(), problems.begin(), problems.end());
    problems.clear();
    const auto plan = declared::plan_node(result_.whole, facts_);
    result_.problems.insert(result_.problems.end(), plan.problems.begin(), plan.problems.end());
  }

  const Sources& sources_;
  const std::vector<NicFacts>& facts_;
  Assembled result_;
  json::array nics_, resources_;
  std::vector<declared::Problem> ignored_;
};

}  // namespace

bool Assembled::is_from_cluster(const declared::Nic& nic) const {
  return static_cast<std::size_t>(&nic - whole.nics.data()) >= own_nics;
}

Assembled assemble(const Sources& sources, const std::vector<NicFacts>& facts) {
  return Assembly(sources, facts).run();
}

}  // namespace barewire::cluster
