// SPDX-License-Identifier: Apache-2.0
/// From the API's JSON to what is to be done. The API server has checked the claim's form, but not our parameters in
/// it, which are opaque to it: here is the first place where a wrong key can be refused.
#include "device-manager/dra/claim.h"

#include <algorithm>

#include "core/json_view.h"
#include "device-manager/dra/offer.h"
#include "device-manager/dra/parameters.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

struct Config {
  std::vector<std::string> requests;  ///< empty: of all
  json::object settings;
};

/// "main" of "main/sub". The scheduler names the subrequest of a prioritized list (KEP-4816) that it could fill;
/// kubelet knows the request by its first part alone.
std::string main_request(const std::string& request) {
  return request.substr(0, request.find('/'));
}

bool is_for(const Config& config, const std::string& request) {
  // The API lets it be empty, and allocators leave it so where one configuration is for every request. One that names
  // the main request is for each of its subrequests.
  if (config.requests.empty()) return true;
  return std::any_of(config.requests.begin(), config.requests.end(),
                     [&](const std::string& each) { return each == request || each == main_request(request); });
}

/// The list holds other drivers' parameters too, and those of class and claim mixed, told apart by "source".
std::vector<Config> read_configs(const JsonView& devices, const std::string& source, const std::string& driver,
                                 const std::string& subject) {
  std::vector<Config> configs;
  const auto list = devices.find("config");
  if (!list) return configs;
  for (const JsonView& each : list->array()) {
    const auto opaque = each.find("opaque");
    if (each.string_or("source", "") != source || !opaque || opaque->string_or("driver", "") != driver) continue;
    Config config;
    if (const auto requests = each.find("requests")) config.requests = requests->strings();
    config.settings =
        parse_parameters(opaque->at("parameters").value(),
                         fmt::format("{} ({})", subject, source == "FromClass" ? "its class" : "its own"));
    configs.push_back(std::move(config));
  }
  return configs;
}

/// A share of a device's bandwidth is a limit. A rate that is written down says more exactly what is wanted. Source:
/// KEP-5075, consumedCapacity.
void apply_share(const JsonView& result, json::object& settings) {
  const auto consumed = result.find("consumedCapacity");
  const auto bandwidth = consumed ? consumed->find("bandwidth") : std::nullopt;
  if (!bandwidth || settings.contains("max_tx_rate")) return;
  const auto mbps = mbps_of_quantity(bandwidth->string());
  if (!mbps) bandwidth->reject("a quantity of bits per second");
  settings["max_tx_rate"] = *mbps;
}

void refuse(const std::string& subject, const std::string& what, const std::string& hint) {
  throw Error(Error::Code::config, fmt::format("{} {}", subject, what), hint);
}

std::vector<state::Pod> read_pods(const JsonView& status, const std::string& name_space) {
  std::vector<state::Pod> pods;
  const auto reserved = status.find("reservedFor");
  if (!reserved) return pods;
  for (const JsonView& each : reserved->array())
    if (each.string_or("resource", "") == "pods")
      // A claim is used in its own namespace alone, so the reference has none.
      pods.push_back({name_space, each.string_or("name", ""), each.string_or("uid", "")});
  return pods;
}

std::vector<ChosenDevice> read_devices(const JsonView& devices, const std::string& driver, const std::string& subject) {
  const auto of_class = read_configs(devices, "FromClass", driver, subject);
  const auto of_claim = read_configs(devices, "FromClaim", driver, subject);
  std::vector<ChosenDevice> chosen;
  for (const JsonView& result : devices.at("results").array()) {
    if (result.string_or("driver", "") != driver) continue;
    const std::string request = result.at("request").string();
    if (result.boolean_or("adminAccess", false))
      refuse(subject, fmt::format("asks for admin access in \"{}\", which no VF can give", request),
             "its user would take the device from the pod that has it");
    ChosenDevice device{.request = main_request(request),
                        .pool = result.at("pool").string(),
                        .device = result.at("device").string(),
                        .share_id = result.string_or("shareID", "")};
    if (request.size() > device.request.size()) device.subrequest = request.substr(device.request.size() + 1);
    // What the claim says of a key goes above what its class says, in whichever order the API server lists them.
    for (const auto* configs : {&of_class, &of_claim})
      for (const Config& config : *configs)
        if (is_for(config, request)) merge_parameters(device.settings, config.settings);
    apply_share(result, device.settings);
    require_consistent(device.settings, subject);
    chosen.push_back(std::move(device));
  }
  return chosen;
}

}  // namespace

ClaimView parse_claim(const json::value& claim, const ClaimRef& wanted, const std::string& driver) {
  const std::string subject = "claim " + wanted.text();
  const JsonView view(claim, subject + ": key");
  ClaimView result;
  result.uid = view.at("metadata").at("uid").string();
  // kubelet may hold a claim that was deleted and made again under the same name: its devices are another pod's then.
  if (result.uid != wanted.uid)
    throw Error(Error::Code::try_again, fmt::format("{} is another one by now", subject),
                fmt::format("kubelet means UID {}, the API server has {}", wanted.uid, result.uid));
  // Source: Kubernetes, resource/v1, PodResourceClaimAnnotation.
  if (const auto annotations = view.at("metadata").find("annotations"))
    result.pod_claim = annotations->string_or("resource.kubernetes.io/pod-claim-name", "");
  const auto status = view.find("status");
  const auto allocation = status ? status->find("allocation") : std::nullopt;
  if (!allocation)
    throw Error(Error::Code::try_again, subject + " has no devices allocated", "the scheduler has yet to choose them");
  result.pods = read_pods(*status, wanted.name_space);
  if (const auto devices = allocation->find("devices")) result.devices = read_devices(*devices, driver, subject);
  return result;
}

}  // namespace barewire::dra
