// SPDX-License-Identifier: Apache-2.0
// The daemon's command line. It has no file of settings: a unit or a pod's manifest is where its options stand, and
// there an administrator sees them.
#include "device-manager/daemon/options.h"

#include <fmt/format.h>

#include "core/build_info.h"
#include "core/error.h"
#include "device-manager/daemon/loopback_server.h"
#include "device-manager/traces/outbox.h"

namespace barewire::daemon {

namespace {

void add_kubelet_options(CLI::App& app, kubelet::Settings& kubelet) {
  app.add_option("--pools", kubelet.pools,
                 "Which devices containers may ask for (/etc/barewire/pools.json, else the declared ones, else "
                 "/etc/pcidp/config.json)")
      ->type_name("FILE");
  app.add_option("--resource-prefix", kubelet.prefix, "Prefix of the resources of pools that name none")
      ->type_name("DOMAIN");
  app.add_flag("--use-cdi", kubelet.use_cdi, "Hand device nodes over by CDI instead of naming them to kubelet");
  app.add_option("--kubelet", kubelet.directory, "kubelet's directory (/var/lib/kubelet)")->type_name("DIRECTORY");
  app.add_option("--registration", kubelet.registration, "How kubelet hears of resources (auto)")
      ->check(CLI::IsMember({"auto", "watcher", "socket"}));
  app.add_option("--instance", kubelet.instance, "Part of the sockets' names, such as a pod's UID: for upgrades")
      ->type_name("WORD");
}

void add_dra_options(CLI::App& app, DraOptions& dra, std::string& nri) {
  app.add_option("--dra-driver", dra.driver, "Name of the driver of resource claims (barewire.io)")
      ->type_name("DOMAIN");
  app.add_option("--node-name", dra.node, "This node's name in the cluster ($NODE_NAME, else the host's name)")
      ->type_name("NAME");
  app.add_option("--kubeconfig", dra.kubeconfig, "How to reach the API server (the pod's service account)")
      ->type_name("FILE");
  app.add_flag("--device-metadata", dra.metadata,
               "Mount files that tell of claimed devices into containers (KEP-5304)");
  app.add_option("--nri", nri,
                 "Attach the VFs of claims as a plugin of the runtime at this socket, such as "
                 "/var/run/nri/nri.sock")
      ->type_name("SOCKET");
}

void add_cluster_options(CLI::App& app, ClusterOptions& cluster) {
  app.add_flag("--cluster-policies", cluster.policies,
               "Make the NICs as SriovNetworkNodePolicies and ConfigMaps of the cluster declare them");
  app.add_option("--cluster-namespace", cluster.name_space, "Where these are (sriov-network-operator)")
      ->type_name("NAMESPACE");
}

/// CLI11's validators say what is wrong; nothing when it is right.
std::string refusal_of_address(const std::string& text) {
  try {
    parse_listen_address(text);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string refusal_of_url(const std::string& text) {
  try {
    traces::parse_collector_url(text);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Options& options) {
  auto app = std::make_unique<CLI::App>("Barewire's node daemon: undoes what dead pods left behind.", "barewired");
  app->set_version_flag("--version", fmt::format("barewired {}", build_info()), "Print the version and exit");
  app->set_help_flag("-h,--help", "Print this help and exit");
  constexpr std::int64_t kDay = 86400;
  app->add_option("--interval", options.interval, "Seconds between looks when no event calls for one (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{1}, kDay));
  app->add_option("--grace", options.grace,
                  "Seconds for which a netns must have been gone before its attachments go (120)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{0}, kDay));
  app->add_flag("--once", options.once, "Look once and exit; --grace is then the least age of an attachment");
  app->add_flag("-n,--dry-run", options.dry_run, "Say what would be undone, undo nothing");
  app->add_flag("--own-pid-namespace", options.own_pid_namespace,
                "Every pod's processes are to be seen, though this is not the host's PID namespace");
  app->add_option("--log-level", options.log_level, "How much to log (info)")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}));
  app->add_option("--metrics-listen", options.metrics_listen,
                  "Serve /metrics and /healthz on this loopback address, as 127.0.0.1:9808")
      ->type_name("ADDRESS:PORT")
      ->check(refusal_of_address);
  app->add_option("--traces-to", options.traces_to,
                  "Send traces of CNI calls to this collector of OTLP, as http://127.0.0.1:4318/v1/traces")
      ->type_name("URL")
      ->check(refusal_of_url);
  add_kubelet_options(*app, options.kubelet);
  add_dra_options(*app, options.dra, options.nri);
  add_cluster_options(*app, options.cluster);
  app->footer(
      "Exit status: 0 stopped as asked, or with --once nothing failed; 1 with --once something could not be undone; "
      "2 wrong command line; 4 failed.");
  return app;
}

}  // namespace barewire::daemon
