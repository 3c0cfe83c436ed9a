// SPDX-License-Identifier: Apache-2.0
// The checks stand in the reference skeleton's order, since runtimes and their tests know its messages.
#include "core/cni/request.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>

#include "core/cni/zero_values.h"
#include "core/kernel/netlink.h"
#include "core/log.h"
#include "core/utf8.h"

namespace barewire::cni {

namespace {

constexpr std::array<std::pair<std::string_view, Command>, 6> kCommands = {{{"ADD", Command::add},
                                                                            {"DEL", Command::del},
                                                                            {"CHECK", Command::check},
                                                                            {"GC", Command::gc},
                                                                            {"STATUS", Command::status},
                                                                            {"VERSION", Command::version}}};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Command parse_command(const std::string& text) {
  for (const auto& [name, command] : kCommands)
    if (name == text) return command;
  throw Error(Error::Code::environment, fmt::format("unknown CNI_COMMAND: {}", text),
              "expected ADD, DEL, CHECK, GC, STATUS or VERSION");
}

bool concerns_attachment(Command command) {
  return command == Command::add || command == Command::del || command == Command::check;
}

void require_variables(Command command, const Environment& environment) {
  std::string missing;
  const auto require = [&](const char* name, const std::string& value) {
    if (value.empty()) missing += (missing.empty() ? "" : ",") + std::string(name);
  };
  if (concerns_attachment(command)) {
    require("CNI_CONTAINERID", environment.container_id);
    // DEL may come without: the netns may be gone.
    if (command != Command::del) require("CNI_NETNS", environment.netns);
    require("CNI_IFNAME", environment.ifname);
  }
  // Of GC and STATUS too, which call IPAM.
  if (command != Command::version) require("CNI_PATH", environment.path);
  if (!missing.empty())
    throw Error(Error::Code::environment, fmt::format("required env variables [{}] missing", missing));
}

/// Letters, digits, '_', '.', '-', the first a letter or digit. Source: CNI spec 1.1.0, "CNI Parameters".
bool is_identifier(std::string_view text) {
  const auto alphanumeric = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && alphanumeric(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(),
                     [&](unsigned char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

void validate_network_name(const NetConf& conf) {
  if (conf.name.empty())
    throw Error(Error::Code::config, "missing network name", "give the network configuration a \"name\"");
  if (!is_identifier(conf.name))
    throw Error(
        Error::Code::config, "invalid characters found in network name",
        fmt::format("config key \"name\" is \"{}\"; expected letters, digits, '_', '.', '-', the first a letter "
                    "or digit",
                    conf.name));
}

void validate_container_id(const std::string& id) {
  if (!is_identifier(id)) throw Error(Error::Code::environment, "invalid characters in containerID", id);
}

/// Source: net/core/dev.c dev_valid_name.
void validate_interface_name(Command command, const std::string& name) {
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ - 1
  const auto reject = [&](const char* why) {
    throw Error(Error::Code::environment, why, fmt::format("CNI_IFNAME is \"{}\"", name));
  };
  if (name.size() > kLongest) reject("interface name is too long: it should be less than 16 characters");
  if (name == "." || name == "..") reject("interface name is . or ..");
  const auto forbidden = [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c); };
  if (std::any_of(name.begin(), name.end(), forbidden))
    reject("interface name contains / or : or whitespace characters");
  if (!is_utf8(name)) reject("interface name is not UTF-8 text");
  if (command == Command::add && name.find('%') != std::string::npos)
    reject("interface name contains %: the kernel would put a number of its own there");
}

void validate_version(Command command, const Version& version, const std::string& text, const Version& oldest) {
  const auto too_old = [&](const char* what) {
    throw Error(Error::Code::incompatible_version, fmt::format("config version does not allow {}", what),
                fmt::format("config is \"{}\"", text));
  };
  if (command == Command::check && version < Version{0, 4, 0}) too_old("CHECK");
  if (command == Command::gc && version < Version{1, 1, 0}) too_old("GC");
  if (command == Command::status && version < Version{1, 1, 0}) too_old("STATUS");
  // Whatever its ADD could not be asked for, DEL takes it down.
  if (is_supported(version) && (version >= oldest || command == Command::del)) return;
  std::string supported;
  for (const Version& candidate : kSupportedVersions)
    if (candidate >= oldest) supported += (supported.empty() ? "\"" : " \"") + candidate.text() + "\"";
  throw Error(Error::Code::incompatible_version, "incompatible CNI versions",
              fmt::format("config is \"{}\", plugin supports [{}]", text, supported));
}

/// What a record and a delegate's environment keep of the call has to be text: the record is JSON.
void validate_text(const Environment& environment) {
  const std::array<std::pair<const char*, const std::string*>, 4> variables = {
      {{"CNI_NETNS", &environment.netns},
       {"CNI_PATH", &environment.path},
       {"CNI_ARGS", &environment.args},
       {"CNI_NETNS_OVERRIDE", &environment.netns_override}}};
  for (const auto& [name, value] : variables)
    if (!is_utf8(*value))
      throw Error(Error::Code::environment, fmt::format("{} is not UTF-8 text", name),
                  fmt::format("it is \"{}\"", escape_line(*value)));
}

std::vector<std::string> split_path(std::string_view text) {
  std::vector<std::string> directories;
  while (!text.empty()) {
    const auto colon = text.find(':');
    // An empty part would mean the working directory, which is the runtime's.
    if (colon != 0) directories.emplace_back(text.substr(0, colon));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  return directories;
}

std::vector<ValidAttachment> parse_valid_attachments(const JsonView& list) {
  std::vector<ValidAttachment> result;
  for (const JsonView& element : list.array())
    result.push_back({element.at("containerID").string(), element.at("ifname").string()});
  return result;
}

/// Runs `read`, and goes on without what it throws about where that may be left out.
void read_unless(bool may_be_left_out, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    if (!may_be_left_out) throw;
    log_warning("ignoring what cannot be read: {}", error.what());
  }
}

/// What ADD refused cannot have been attached; what was attached must be taken down, by its record, whatever the
/// runtime sends now: DEL goes on without what `read` throws about.
void read_leniently(Command command, const std::function<void()>& read) {
  read_unless(command == Command::del, read);
}

/// A pod's lo needs none of them: runtimes bring it up before they know what they send to the others.
bool may_do_without_args(Command command, std::string_view type) {
  return command == Command::del || type == "loopback";
}

/// libcni writes both names, the second for runtimes built on an older text of the specification, and null for a list
/// without elements.
void read_valid_attachments(NetConf& conf) {
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (conf.has_valid_attachments) return;
    conf.has_valid_attachments = conf.document->get_object().contains(key);
    if (const auto valid = conf.root().find(key)) conf.valid_attachments = parse_valid_attachments(*valid);
  }
}

void read_version(NetConf& conf) {
  const auto version = conf.root().find("cniVersion");
  if (!version) return;
  const auto parsed = parse_configured_version(version->string());
  if (!parsed)
    throw Error(Error::Code::decode,
                fmt::format("config key \"cniVersion\" is \"{}\"; expected a version, as 1.0.0", version->string()));
  conf.cni_version = *parsed;
}

}  // namespace

std::string_view name_of(Command command) {
  for (const auto& [name, candidate] : kCommands)
    if (candidate == command) return name;
  return "";
}

Environment Environment::from_process() {
  return {.command = variable("CNI_COMMAND"),
          .container_id = variable("CNI_CONTAINERID"),
          .netns = variable("CNI_NETNS"),
          .ifname = variable("CNI_IFNAME"),
          .path = variable("CNI_PATH"),
          .args = variable("CNI_ARGS"),
          .netns_override = variable("CNI_NETNS_OVERRIDE")};
}

NetConf NetConf::parse(std::string_view bytes, Command command) {
  NetConf conf;
  conf.document = std::make_shared<const boost::json::value>(parse_json(bytes, "network config"));
  if (!conf.document->is_object())
    throw Error(Error::Code::decode, "network config is not a JSON object", "see docs/configuration.md for examples");
  const JsonView root = conf.root();
  conf.name = root.string_or("name", "");
  read_leniently(command, [&] { conf.type = root.string_or("type", ""); });
  read_version(conf);
  read_leniently(command, [&] {
    if (const auto settings = root.find("ipam")) conf.ipam_type = settings->string_or("type", "");
  });
  read_leniently(command, [&] {
    if (const auto servers = root.find("dns")) conf.dns = Dns::parse(*servers);
  });
  // They are for GC; DEL must not fail over a list it does not use.
  if (command != Command::del) read_valid_attachments(conf);
  return conf;
}

std::shared_ptr<const boost::json::value> NetConf::empty_document() {
  return std::make_shared<const boost::json::value>(boost::json::object_kind);
}

std::optional<JsonView> NetConf::runtime_config(std::string_view key) const {
  const auto config = root().find("runtimeConfig");
  return config ? config->find(key) : std::nullopt;
}

std::optional<JsonView> NetConf::cni_arg(std::string_view key) const {
  const auto args = root().find("args");
  const auto cni = args ? args->find("cni") : std::nullopt;
  return cni ? cni->find(key) : std::nullopt;
}

Request Request::parse(const Environment& environment, std::string stdin_bytes, const Version& oldest) {
  Request request;
  request.command = parse_command(environment.command);
  require_variables(request.command, environment);
  request.environment = environment;
  // VERSION must be answered whatever else is wrong.
  if (request.command == Command::version) return request;

  request.conf = NetConf::parse(stdin_bytes, request.command);
  validate_network_name(request.conf);
  if (concerns_attachment(request.command)) {
    validate_container_id(environment.container_id);
    validate_interface_name(request.command, environment.ifname);
    request.container_id = environment.container_id;
    request.netns = environment.netns;
    request.ifname = environment.ifname;
  }
  validate_version(request.command, request.conf.cni_version, request.conf.cni_version.text(), oldest);
  read_leniently(request.command, [&] { validate_text(environment); });
  request.path = split_path(environment.path);
  const bool may_be_left_out = may_do_without_args(request.command, request.conf.type);
  read_unless(may_be_left_out, [&] { request.args = Args::parse(environment.args); });
  // DEL works from records; what the runtime cached of the result must not be able to stop it.
  if (const auto previous = request.conf.root().find("prevResult"); previous && request.command != Command::del)
    request.conf.previous = Result::parse(*previous, request.conf.cni_version);
  request.stdin_bytes = std::move(stdin_bytes);
  return request;
}

const kernel::NetNs& Request::pod_netns() const {
  // A request that was made out of another, for another netns, opens its own.
  if (!pod_netns_ || pod_netns_->path() != netns) {
    pod_netns_ = std::make_shared<const kernel::NetNs>(kernel::NetNs::open(netns));
    pod_socket_.reset();
  }
  return *pod_netns_;
}

kernel::NlSocket& Request::pod_socket() const {
  const kernel::NetNs& pod = pod_netns();
  if (!pod_socket_) pod_socket_ = std::make_shared<kernel::NlSocket>(kernel::NlSocket::in(pod));
  return *pod_socket_;
}

std::optional<MacAddress> requested_mac(const Request& request) {
  std::optional<std::string> text;
  std::string source;
  Error::Code code = Error::Code::config;
  // The first that says something; empty strings are what Go's marshalling leaves of absent ones.
  const auto take = [&](std::optional<JsonView> view) {
    if (text || !view || view->string().empty()) return;
    text = view->string();
    source = fmt::format("config key \"{}\"", view->path());
  };
  take(request.conf.runtime_config("mac"));
  take(request.conf.cni_arg("mac"));
  if (const auto arg = request.args.find("MAC"); !text && arg && !arg->empty()) {
    text = *arg;
    source = "CNI_ARGS key \"MAC\"";
    code = Error::Code::environment;
  }
  take(request.conf.root().find("mac"));
  if (!text) return std::nullopt;
  const auto mac = MacAddress::parse(*text);
  if (!mac || mac->is_zero() || mac->is_multicast())
    throw Error(code, fmt::format("{} is \"{}\"; expected a unicast MAC address, as 02:00:00:00:00:01", source, *text));
  return mac;
}

}  // namespace barewire::cni
