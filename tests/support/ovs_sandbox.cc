// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ovs_sandbox.h"

#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/fd.h"

namespace barewire::test {
namespace {

constexpr const char* kSchema = "/usr/share/openvswitch/vswitch.ovsschema";
constexpr auto kStartTime = std::chrono::seconds(120);  // an emulated processor beside a build: seconds are the rule
constexpr int kAnswerTime = 60;                         // seconds
constexpr std::size_t kEndOfLog = 2000;

constexpr const char* kPlainSwitch = "/usr/lib/openvswitch-switch/ovs-vswitchd";
constexpr const char* kDpdkSwitch = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";

// Configuration alone: what ovs-vswitchd writes by itself changes all the time.
constexpr const char* kTables[] = {
    "Bridge _uuid name datapath_type ports mirrors external_ids other_config",
    "Port _uuid name interfaces tag trunks vlan_mode qos protected external_ids other_config",
    ("Interface _uuid name type options external_ids other_config ofport_request mtu_request ingress_policing_rate "
     "ingress_policing_burst"),
    "Mirror _uuid name select_all select_src_port select_dst_port output_port external_ids",
    "QoS _uuid type queues external_ids other_config",
    "Queue _uuid dscp external_ids other_config",
};

/// `text` is a table and its columns.
boost::json::object selection(const std::string& text) {
  std::istringstream words(text);
  std::string table;
  words >> table;
  boost::json::array columns;
  for (std::string column; words >> column;) columns.emplace_back(column);
  return {{"op", "select"}, {"table", table}, {"where", boost::json::array()}, {"columns", columns}};
}

/// Dead, and not waited for yet. Source: proc_pid_stat(5): the state stands behind the name's ")".
bool is_zombie(pid_t pid) {
  const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
  const std::size_t name = stat.rfind(") ");
  return name != std::string::npos && stat.substr(name + 2, 1) == "Z";
}

std::string printed_by(const std::string& text) {
  const CommandResult result = run_shell(text);
  EXPECT_TRUE(result.ok()) << text << ": " << result.err;
  return result.out;
}

}  // namespace

std::optional<std::string> OvsSandbox::missing(Datapath datapath) {
  if (datapath == Datapath::dpdk && access(kDpdkSwitch, X_OK) != 0)
    return std::string(kDpdkSwitch) + " (package openvswitch-switch-dpdk)";
  for (const char* program : {"ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl"}) {
    if (!run_shell(fmt::format("command -v {}", program)).ok())
      return std::string(program) + " (package openvswitch-switch)";
  }
  if (access(kSchema, R_OK) != 0) return std::string(kSchema);
  return std::nullopt;
}

OvsSandbox::OvsSandbox(Datapath datapath, std::string netns) : datapath_(datapath), netns_(std::move(netns)) {
  const CommandResult created = run_shell(fmt::format("ovsdb-tool create {} {}", file("conf.db"), kSchema));
  if (!created.ok()) throw Error(Error::Code::internal, "creating a database failed: " + created.err);
  start_ovsdb();
  vsctl("--no-wait init");
  // No hugepages, little memory, and a poll that sleeps when there is nothing to do: it shares two cores with tests.
  if (datapath == Datapath::dpdk)
    vsctl(
        fmt::format("--no-wait set Open_vSwitch . other_config:dpdk-init=true other_config:per-port-memory=true "
                    "other_config:pmd-maxsleep=500 other_config:dpdk-extra='\"--no-huge --legacy-mem -m 256 --no-pci "
                    "--no-telemetry --file-prefix=barewire-{}\"'",
                    getpid()));
  start_vswitchd();
}

OvsSandbox::~OvsSandbox() {
  // In this order: a vswitchd without a database leaves nothing to do.
  if (vswitchd_) kill_vswitchd();
  if (ovsdb_) kill_ovsdb();
}

pid_t OvsSandbox::ovsdb_pid() const {
  return ovsdb_ ? ovsdb_->pid() : -1;
}
pid_t OvsSandbox::vswitchd_pid() const {
  return vswitchd_ ? vswitchd_->pid() : -1;
}

std::unique_ptr<ChildProcess> OvsSandbox::start(const std::string& name, const std::string& program,
                                                std::vector<std::string> arguments) const {
  for (const char* option : {"--no-chdir", "-vconsole:off", "-vsyslog:off"}) arguments.emplace_back(option);
  arguments.push_back("--unixctl=" + file(name + ".ctl"));
  arguments.push_back("--log-file=" + file(name + ".log"));
  Command command;
  command.program = program;
  command.netns = netns_;
  command.arguments = std::move(arguments);
  for (const char* variable : {"OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"}) {
    command.environment[variable] = directory_.path();
  }
  remove_file(file(name + ".ctl"));
  return std::make_unique<ChildProcess>(command);
}

void OvsSandbox::wait_for_answer(const ChildProcess& daemon, const std::string& control, const std::string& log) const {
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  const auto lives = [&] { return ::kill(daemon.pid(), 0) == 0 && !is_zombie(daemon.pid()); };
  while (std::chrono::steady_clock::now() < deadline && lives()) {
    if (access(control.c_str(), F_OK) == 0 && run_shell(fmt::format("ovs-appctl -t {} version", control)).ok()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::string tail = read_file(log).value_or("no log");
  if (tail.size() > kEndOfLog) tail = tail.substr(tail.size() - kEndOfLog);
  throw Error(Error::Code::internal,
              fmt::format("starting pid {} failed: it does not answer at {}", daemon.pid(), control), tail);
}

void OvsSandbox::start_ovsdb(const std::vector<std::string>& remotes) {
  std::vector<std::string> arguments{file("conf.db"), "--remote=punix:" + socket()};
  for (const std::string& remote : remotes) {
    arguments.push_back(remote.starts_with("--") ? remote : "--remote=" + remote);
  }
  ovsdb_ = start("ovsdb-server", "ovsdb-server", std::move(arguments));
  wait_for_answer(*ovsdb_, file("ovsdb-server.ctl"), file("ovsdb-server.log"));
}

void OvsSandbox::start_vswitchd() {
  std::string program = access(kPlainSwitch, X_OK) == 0 ? kPlainSwitch : "ovs-vswitchd";
  if (datapath_ == Datapath::dpdk) program = kDpdkSwitch;
  vswitchd_ = start("ovs-vswitchd", program, {"unix:" + socket()});
  wait_for_answer(*vswitchd_, file("ovs-vswitchd.ctl"), file("ovs-vswitchd.log"));
}

void OvsSandbox::kill_ovsdb() {
  ovsdb_.reset();
}
void OvsSandbox::kill_vswitchd() {
  vswitchd_.reset();
}

std::string OvsSandbox::vsctl(const std::string& text) const {
  return printed_by(fmt::format("ovs-vsctl --timeout={} --db=unix:{} {}", kAnswerTime, socket(), text));
}

std::string OvsSandbox::appctl(const std::string& text) const {
  return printed_by(fmt::format("ovs-appctl -T {} -t {} {}", kAnswerTime, file("ovs-vswitchd.ctl"), text));
}

void OvsSandbox::add_bridge(const std::string& name) const {
  vsctl(fmt::format("add-br {0} -- set bridge {0} datapath_type=netdev", name));
  const CommandResult up = run_shell(fmt::format("ip link set {} up", name), netns_);
  EXPECT_TRUE(up.ok()) << up.err;
}

std::string OvsSandbox::configuration() const {
  // One request, since tests that strike at every step ask hundreds of times.
  boost::json::array request{"Open_vSwitch"};
  for (const char* table : kTables) request.push_back(selection(table));
  const std::string answer =
      printed_by(fmt::format("ovsdb-client transact unix:{} '{}'", socket(), boost::json::serialize(request)));
  std::string all;
  std::size_t table = 0;
  const boost::json::value answered = boost::json::parse(answer);
  for (const boost::json::value& selected : answered.as_array()) {
    std::vector<std::string> rows;
    for (const boost::json::value& row : selected.at("rows").as_array()) rows.push_back(boost::json::serialize(row));
    std::sort(rows.begin(), rows.end());
    all += fmt::format("{}\n{}\n", kTables[table++], fmt::join(rows, "\n"));
  }
  return all;
}

void OvsTest::SetUp() {
  NetnsTest::SetUp();
  if (IsSkipped()) return;
  if (const auto what = OvsSandbox::missing(datapath)) GTEST_SKIP() << *what << " is not installed";
  // The kernel would probe link-local addresses for seconds, and the node change under the test. A kernel without IPv6
  // has no such key.
  run_shell("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
  ovs = std::make_unique<OvsSandbox>(datapath);
}

}  // namespace barewire::test
