// SPDX-License-Identifier: Apache-2.0
// CHECK is called as a runtime would call it, so that both come to the same verdict.
#include "device-manager/checker.h"

#include <boost/json/serialize.hpp>

#include "core/cni/later_plugins.h"
#include "core/text.h"
#include "device-manager/plugin_call.h"

namespace barewire::manager {

namespace json = boost::json;

namespace {

/// Keys match without regard to case in a configuration: another spelling of `key` would compete with ours.
void replace_key(json::object& object, std::string_view key, json::value value) {
  for (auto member = object.begin(); member != object.end();)
    member = equal_ignoring_case(member->key(), key) ? object.erase(member) : member + 1;
  object[key] = std::move(value);
}

}  // namespace

std::string check_config(const state::Attachment& attachment, const std::optional<json::value>& result) {
  json::value config =
      parse_json(attachment.config, fmt::format("the recorded configuration of {}", attachment.id.text()));
  if (!config.is_object()) {
    throw Error(Error::Code::state,
                fmt::format("the recorded configuration of {} is not a JSON object", attachment.id.text()));
  }
  // The newest version, since CHECK is unknown before 0.4.0 and the result on record is written in it.
  replace_key(config.get_object(), "cniVersion", "1.1.0");
  if (result) replace_key(config.get_object(), "prevResult", *result);
  return json::serialize(config);
}

CheckOutcome check(const Node& node, const state::Attachment& attachment) {
  CheckOutcome outcome{attachment, std::nullopt};
  try {
    cni::Environment environment = attachment.del_environment();
    environment.command = "CHECK";
    // The chain's result, as the runtime would hand it over: what later plugins changed is no difference.
    const auto result = cni::find_final_result(state::Store(node.run_dir), attachment);
    call_in_child(node, attachment.id.plugin, environment, check_config(attachment, result), kPluginTimeout);
  } catch (const Error& error) {
    outcome.error = error;
  }
  return outcome;
}

std::vector<std::string> drift_by_check(const Node& node, const state::Attachment& attachment) {
  const CheckOutcome outcome = check(node, attachment);
  if (!outcome.error) return {};
  return {describe(*outcome.error)};
}

}  // namespace barewire::manager
