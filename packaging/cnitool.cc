// SPDX-License-Identifier: Apache-2.0
/// cnitool: runs a network configuration against a netns by hand, with the reference tool's arguments and environment.
#include <openssl/evp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include "core/build_info.h"
#include "core/cni/chain.h"
#include "core/fd.h"
#include "core/json_view.h"

namespace {

using namespace barewire;

std::string variable(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

boost::json::object capability_args() {
  const std::string text = variable("CAP_ARGS", "{}");
  const auto value = parse_json(text, "CAP_ARGS");
  if (!value.is_object())
    throw Error(Error::Code::environment, "CAP_ARGS is not a JSON object",
                "as {\"portMappings\":[{\"hostPort\":9090,\"containerPort\":80}]}");
  return value.get_object();
}

/// The container ID the reference tool gives a netns path, so that either tool can remove what the other added.
std::string container_id_for(const std::string& netns) {
  constexpr std::size_t kShown = 10;  // bytes of the SHA-512
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (EVP_Digest(netns.data(), netns.size(), digest.data(), nullptr, EVP_sha512(), nullptr) != 1)
    throw Error(Error::Code::internal, "hashing the netns path failed");
  std::string id = "cnitool-";
  for (std::size_t i = 0; i < kShown; ++i) id += fmt::format("{:02x}", digest[i]);
  return id;
}

/// As the reference tool: what is recorded must mean the same in another working directory.
std::string absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

std::string absolute_path_list(std::string_view list) {
  std::string text;
  while (!list.empty()) {
    const auto colon = list.find(':');
    const std::string directory = absolute(std::string(list.substr(0, colon)));
    if (!directory.empty()) text += (text.empty() ? "" : ":") + directory;
    if (colon == std::string_view::npos) break;
    list.remove_prefix(colon + 1);
  }
  return text;
}

/// `given` on the command line, relative to the working directory as the reference tool takes it.
cni::Attach attach_for(const std::string& given, const std::string& ifname) {
  cni::Args::parse(variable("CNI_ARGS", ""));  // judged now, before anything is touched
  const std::string netns = absolute(given);
  return {.container_id = container_id_for(netns),
          .netns = netns,
          .ifname = ifname.empty() ? variable("CNI_IFNAME", "eth0") : ifname,
          .args = variable("CNI_ARGS", ""),
          .path = absolute_path_list(variable("CNI_PATH", "/opt/cni/bin")),
          .capability_args = capability_args()};
}

/// An ADD whose result nobody can read has not happened.
void print_or_undo(const std::string& text, const std::function<void()>& undo) {
  try {
    write_all(STDOUT_FILENO, text, "stdout");
  } catch (const Error&) {
    undo();
    throw;
  }
}

/// Indented by four blanks, with empty objects on their line: as the reference tool prints a result.
void print_indented(const boost::json::value& value, std::string& text, std::size_t depth = 0) {
  const auto list = [&](const auto& items, char open, char close, const auto& print) {
    text += open;
    bool first = true;
    for (const auto& item : items) {
      text += (first ? "\n" : ",\n") + std::string((depth + 1) * 4, ' ');
      first = false;
      print(item);
    }
    if (!first) text += "\n" + std::string(depth * 4, ' ');
    text += close;
  };
  if (value.is_object()) {
    list(value.get_object(), '{', '}', [&](const auto& member) {
      text += boost::json::serialize(boost::json::value(member.key())) + ": ";
      print_indented(member.value(), text, depth + 1);
    });
  } else if (value.is_array()) {
    list(value.get_array(), '[', ']', [&](const auto& element) { print_indented(element, text, depth + 1); });
  } else {
    text += boost::json::serialize(value);
  }
}

std::string indented(const boost::json::value& result) {
  std::string text;
  print_indented(result, text);
  return text + "\n";
}

struct Arguments {
  std::string command, network, netns, ifname;
};

void perform(const Arguments& arguments) {
  const std::string& command = arguments.command;
  const cni::ConfList list = cni::find_conflist(variable("NETCONFPATH", "/etc/cni/net.d"), arguments.network);
  const cni::Attach attach = attach_for(arguments.netns, arguments.ifname);
  const cni::ResultCache cache;
  Node node;
  if (command == "add") {
    const auto result = cni::add(list, attach, cache, node);
    print_or_undo(indented(result), [&] { cni::del(list, attach, cache, node); });
  } else if (command == "del") {
    cni::del(list, attach, cache, node);
  } else if (command == "check") {
    cni::check(list, attach, cache, node);
  } else if (command == "gc") {
    cni::gc(list, attach.path, {}, cache, node);
  } else {
    cni::status(list, attach.path, node);
  }
}

constexpr const char* kFooter =
    "Environment:\n"
    "  NETCONFPATH  directory of network configurations (/etc/cni/net.d)\n"
    "  CNI_PATH     directories of plugins, colon-separated (/opt/cni/bin)\n"
    "  CNI_IFNAME   name of the interface in the netns, unless --ifname says it (eth0)\n"
    "  CNI_ARGS     KEY=VALUE;KEY=VALUE for the plugins\n"
    "  CAP_ARGS     JSON object of capability arguments, e.g. {\"mac\":\"02:00:00:00:00:01\"}\n\n"
    "Examples:\n"
    "  ip netns add pod1 && cnitool add lan /run/netns/pod1\n"
    "  cnitool del lan /run/netns/pod1\n\n"
    "Exit status: 0 done, 1 a plugin failed or the configuration is wrong, 2 wrong usage.\n";

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error to undo, not a death on the way
  CLI::App app("Add, check or remove network interfaces of a network namespace with CNI plugins", "cnitool");
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("cnitool (Barewire) {}", build_info()));
  app.require_subcommand(1);
  Arguments arguments;
  app.add_option("-i,--ifname", arguments.ifname, "name of the interface in the netns (CNI_IFNAME, else eth0)");
  app.fallthrough();
  const std::map<std::string, std::string> commands = {
      {"add", "Attach the netns to the network; prints the result"},
      {"check", "Compare the attachment with what ADD made"},
      {"del", "Take the attachment down; harmless when it is gone"},
      {"gc", "Take down every attachment of the network that is remembered"},
      {"status", "Ask whether the network can serve ADD"}};
  for (const auto& [name, about] : commands) {
    CLI::App* command = app.add_subcommand(name, about);
    command->add_option("NAME", arguments.network, "name of the network")->required();
    auto* option = command->add_option("NETNS", arguments.netns, "path of the network namespace");
    if (name != "gc" && name != "status") option->required();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  try {
    arguments.command = app.get_subcommands().front()->get_name();
    perform(arguments);
    return 0;
  } catch (const Error& error) {
    write_quietly(STDERR_FILENO,
                  fmt::format("cnitool: {}{}{}\n", error.what(), error.hint().empty() ? "" : "\n  ", error.hint()));
  } catch (const std::exception& error) {
    write_quietly(STDERR_FILENO, fmt::format("cnitool: {}\n", error.what()));
  }
  return 1;
}
