// SPDX-License-Identifier: Apache-2.0
/// One CNI call: the environment and standard input a runtime gives, validated. Nothing has been touched yet when a
/// Request exists. What the keys of a plugin mean is the plugin's to read.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/args.h"
#include "core/cni/result.h"
#include "core/cni/version.h"
#include "core/json_view.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {
class NlSocket;
}

namespace barewire::cni {

enum class Command { add, del, check, gc, status, version };
/// "ADD", "DEL", …: the words of CNI_COMMAND.
std::string_view name_of(Command command);

/// The CNI_* variables as given; absent ones are empty. Source: CNI spec 1.1.0 "CNI Parameters".
struct Environment {
  std::string command;         ///< CNI_COMMAND
  std::string container_id;    ///< CNI_CONTAINERID
  std::string netns;           ///< CNI_NETNS, a path
  std::string ifname;          ///< CNI_IFNAME
  std::string path;            ///< CNI_PATH, colon-separated
  std::string args;            ///< CNI_ARGS
  std::string netns_override;  ///< CNI_NETNS_OVERRIDE
  /// Of the calling process.
  static Environment from_process();
};

/// An attachment named in GC's "cni.dev/valid-attachments".
struct ValidAttachment {
  std::string container_id;
  std::string ifname;
  friend bool operator==(const ValidAttachment&, const ValidAttachment&) = default;
};

/// The keys every network configuration may have. `document` is the whole, for a plugin's own keys.
struct NetConf {
  Version cni_version{0, 1, 0};
  std::string name;
  std::string type;
  std::string ipam_type;  ///< "ipam.type"; empty = no address management
  Dns dns;
  std::optional<Result> previous;      ///< "prevResult"
  bool has_valid_attachments = false;  ///< GC: the key is there (an empty list is meaningful)
  std::vector<ValidAttachment> valid_attachments;
  std::shared_ptr<const boost::json::value> document = empty_document();

  /// Throws Error{decode} for bad JSON, Error{config} naming the key. Versions are not judged here. For DEL a key that
  /// is not what it should be counts as absent, and is logged: DEL goes by the record.
  static NetConf parse(std::string_view bytes, Command command = Command::add);
  JsonView root() const { return JsonView(*document); }
  /// "runtimeConfig.<key>", "args.cni.<key>".
  std::optional<JsonView> runtime_config(std::string_view key) const;
  std::optional<JsonView> cni_arg(std::string_view key) const;

 private:
  static std::shared_ptr<const boost::json::value> empty_document();  ///< {}: what VERSION has
};

struct Request {
  Command command = Command::version;
  std::string container_id;  ///< empty for GC and STATUS
  std::string netns;         ///< may be empty for DEL
  std::string ifname;
  std::vector<std::string> path;  ///< directories of CNI_PATH
  Args args;
  NetConf conf;
  std::string stdin_bytes;  ///< as received: handed to IPAM byte for byte
  Environment environment;  ///< as received

  /// Validates everything a plugin may rely on. `oldest` is the oldest cniVersion the plugin speaks.
  /// Throws Error{environment}, {decode}, {config}, {incompatible_version} in the order the reference skeleton does.
  /// All of it is UTF-8 text; DEL alone goes on with variables that are not.
  static Request parse(const Environment& environment, std::string stdin_bytes, const Version& oldest);

  /// The pod's netns, of ADD and CHECK: opened at the first call and the same ever after, whatever becomes of the path.
  /// Throws as NetNs::open.
  const kernel::NetNs& pod_netns() const;
  /// An rtnetlink socket in it, opened at the first call.
  kernel::NlSocket& pod_socket() const;

 private:
  mutable std::shared_ptr<const kernel::NetNs> pod_netns_;
  mutable std::shared_ptr<kernel::NlSocket> pod_socket_;
};

/// MAC precedence of the peers: runtimeConfig.mac, args.cni.mac, CNI_ARGS MAC, the configuration's "mac".
/// nullopt when none is given; throws Error naming the one that is not a unicast Ethernet address.
std::optional<MacAddress> requested_mac(const Request& request);

}  // namespace barewire::cni
