// SPDX-License-Identifier: Apache-2.0
// Open vSwitch's part of the chain, from its database.
#include "device-manager/doctor/doctor.h"
#include "ovs-plugin/bridge.h"
#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/ovsdb/transaction.h"

namespace barewire::manager {

namespace {

constexpr const char* kPart = "Open vSwitch";
// A database that is there answers in milliseconds; this is for one that is restarting.
constexpr std::chrono::seconds kPatience{5};

std::string value_or_empty(const ovsdb::StringMap& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

/// Source: ovs-vswitchd.conf.db(5), tables Open_vSwitch and Interface.
void read_database(ovsdb::Connection& connection, SwitchState& state) {
  const auto deadline = ovsdb::Clock::now() + kPatience;
  ovsdb::Transaction transaction;
  const auto root = transaction.select("Open_vSwitch", {}, {"other_config", "ovs_version", "dpdk_initialized"});
  // Only interfaces with an error: a switch may have thousands.
  const auto broken = transaction.select("Interface", {{"error", "!=", ovsdb::Value()}}, {"name", "error"});
  const auto outcome = ovsdb::transact(connection, transaction, deadline, "reading what the switch says of itself");
  for (const ovsdb::Row& row : outcome.rows(root)) {
    const ovsdb::StringMap config = row.string_map("other_config");
    state.version = row.find<std::string>("ovs_version").value_or("");
    state.hw_offload = value_or_empty(config, "hw-offload") == "true";
    state.tc_policy = value_or_empty(config, "tc-policy");
    const std::string dpdk = value_or_empty(config, "dpdk-init");
    // With "try" the switch goes on without DPDK when that fails. Source: ovs-vswitchd.conf.db(5),
    // other_config:dpdk-init.
    state.dpdk_wanted = dpdk == "true" || dpdk == "try";
    state.dpdk_initialised = row.get<bool>("dpdk_initialized");
  }
  for (const ovsdb::Row& row : outcome.rows(broken))
    state.interface_errors.emplace_back(row.get<std::string>("name"), row.get<std::string>("error"));
  state.running = ovs::switch_is_running(connection, deadline);
}

void examine_offload(const SwitchState& state, const ChainInUse& use, Findings& findings) {
  const auto add = [&](Verdict verdict, std::string text, std::string next = {}) {
    findings.push_back({verdict, kPart, std::move(text), std::move(next)});
  };
  if (state.hw_offload)
    add(Verdict::good, "is told to offload flows");
  else
    add(use.switchdev ? Verdict::broken : Verdict::note, "is not told to offload flows",
        "ovs-vsctl set Open_vSwitch . other_config:hw-offload=true, then restart ovs-vswitchd");
  if (state.hw_offload && state.tc_policy == "skip_hw")
    add(Verdict::broken, "keeps flows away from hardware: tc-policy is skip_hw",
        "ovs-vsctl remove Open_vSwitch . other_config tc-policy, then restart ovs-vswitchd");
  if (state.hw_offload && state.tc_policy == "skip_sw")
    add(Verdict::note,
        "keeps flows out of the software classifier (tc-policy is skip_sw): what hardware refuses goes "
        "through the datapath");
}

}  // namespace

SwitchState ask_switch(const ovsdb::Endpoint& endpoint) {
  SwitchState state;
  try {
    ovsdb::Connection connection = ovsdb::Connection::open(endpoint, ovsdb::Clock::now() + kPatience);
    state.reachable = true;
    read_database(connection, state);
  } catch (const Error& error) {
    // A finding, not a failure: the rest of the chain is looked at all the same.
    state.why_not = error.what();
  }
  return state;
}

void examine_switch(const SwitchState& state, const ChainInUse& use, Findings& findings) {
  const auto add = [&](Verdict verdict, std::string text, std::string next = {}) {
    findings.push_back({verdict, kPart, std::move(text), std::move(next)});
  };
  if (!state.why_not.empty())
    return add(use.switchdev ? Verdict::broken : Verdict::note, state.why_not,
               "systemctl status openvswitch-switch; another socket: --socket");
  if (!state.running)
    add(Verdict::broken, "its database is served, and no ovs-vswitchd obeys it", "systemctl status ovs-vswitchd");
  else
    add(Verdict::good, fmt::format("{} is running", state.version.empty() ? "ovs-vswitchd" : state.version));
  examine_offload(state, use, findings);
  if (state.dpdk_wanted)
    add(state.dpdk_initialised ? Verdict::good : Verdict::broken,
        state.dpdk_initialised ? "has started DPDK" : "is told to start DPDK, and could not",
        state.dpdk_initialised ? ""
                               : "the log of ovs-vswitchd says why: grep EAL /var/log/openvswitch/ovs-vswitchd.log");
  for (const auto& [interface, error] : state.interface_errors)
    add(Verdict::broken, fmt::format("interface {}: {}", interface, error),
        fmt::format("ovs-vsctl --columns=name,type,options,error list Interface {}", interface));
}

}  // namespace barewire::manager
