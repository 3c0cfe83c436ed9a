// SPDX-License-Identifier: Apache-2.0
/// Kubeconfigs are YAML, of which a JSON document is one. One parser for both, and only the parts that a daemon without
/// a user can act on.
#include "device-manager/kubernetes/cluster.h"

#include <yaml-cpp/yaml.h>

#include <boost/archive/iterators/binary_from_base64.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <cstdlib>

#include "core/error.h"
#include "core/fd.h"

namespace barewire::kubernetes {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& hint = {}) {
  throw Error(Error::Code::config, fmt::format("kubeconfig {}: {}", path, what), hint);
}

std::string text_of(const YAML::Node& node, const char* key) {
  // yaml-cpp throws for a key of what is no map, in words that name neither file nor key.
  if (!node || !node.IsMap()) return {};
  const YAML::Node child = node[key];
  return child && child.IsScalar() ? child.Scalar() : std::string();
}

std::string decoded(std::string text, const std::string& path, const char* key) {
  using namespace boost::archive::iterators;  // NOLINT(google-build-using-namespace): the adaptors nest
  using Decode = transform_width<binary_from_base64<std::string::const_iterator>, 8, 6>;
  // Lines may be folded, and Boost's iterators know no padding.
  std::erase_if(text, [](char c) { return c == '\n' || c == ' ' || c == '='; });
  try {
    return {Decode(text.cbegin()), Decode(text.cend())};
  } catch (const std::exception&) {
    refuse(path, fmt::format("\"{}\" is not base64", key));
  }
}

/// One entry of a list of `{name: …, <kind>: {…}}`.
YAML::Node entry(const YAML::Node& root, const char* list, const char* kind, const std::string& name,
                 const std::string& path) {
  for (const YAML::Node& each : root[list])
    if (text_of(each, "name") == name) return each[kind];
  refuse(path, fmt::format("\"{}\" has no entry \"{}\"", list, name));
}

class Reader {
 public:
  Reader(const YAML::Node& node, const std::string& path) : node_(node), path_(path) {}
  std::string file(const char* key) const {
    const std::string name = text_of(node_, key);
    // As client-go has it: beside the kubeconfig, not in the working directory.
    return name.empty() || name[0] == '/' ? name : path_.substr(0, path_.rfind('/') + 1) + name;
  }
  std::string data(const char* key) const {
    const std::string text = text_of(node_, key);
    return text.empty() ? text : decoded(text, path_, key);
  }

 private:
  YAML::Node node_;
  const std::string& path_;
};

void read_user(const YAML::Node& user, const std::string& path, Cluster& cluster) {
  // Refused, not passed over: a request without proof would fail with 401, which does not tell why.
  for (const char* key : {"exec", "auth-provider", "username"})
    if (user && user.IsMap() && user[key])
      refuse(path, fmt::format("the user's \"{}\" is not supported", key),
             "give a token, a tokenFile or a client certificate");
  const Reader reader(user, path);
  cluster.token = text_of(user, "token");
  cluster.token_file = reader.file("tokenFile");
  cluster.certificate_file = reader.file("client-certificate");
  cluster.certificate = reader.data("client-certificate-data");
  cluster.key_file = reader.file("client-key");
  cluster.key = reader.data("client-key-data");
}

Cluster parse(const YAML::Node& root, const std::string& path) {
  const std::string current = text_of(root, "current-context");
  if (current.empty()) refuse(path, "there is no \"current-context\"");
  const YAML::Node context = entry(root, "contexts", "context", current, path);
  const YAML::Node server = entry(root, "clusters", "cluster", text_of(context, "cluster"), path);
  Cluster cluster;
  cluster.url = text_of(server, "server");
  // Every path begins with one, and a proxy may not take "//" for "/".
  while (cluster.url.ends_with('/')) cluster.url.pop_back();
  if (!cluster.url.starts_with("https://") && !cluster.url.starts_with("http://"))
    refuse(path, fmt::format("\"server\" is \"{}\"; expected https://HOST[:PORT]", cluster.url));
  const Reader reader(server, path);
  cluster.ca_file = reader.file("certificate-authority");
  cluster.ca = reader.data("certificate-authority-data");
  cluster.insecure = text_of(server, "insecure-skip-tls-verify") == "true";
  if (const std::string user = text_of(context, "user"); !user.empty())
    read_user(entry(root, "users", "user", user, path), path, cluster);
  return cluster;
}

}  // namespace

Cluster parse_kubeconfig(const std::string& bytes, const std::string& path) {
  try {
    return parse(YAML::Load(bytes), path);
  } catch (const YAML::Exception& failure) {
    refuse(path, failure.what());
  }
}

std::optional<Cluster> find_cluster(const std::string& kubeconfig, const std::string& service_account) {
  if (!kubeconfig.empty()) {
    const auto bytes = read_file(kubeconfig);
    if (!bytes) refuse(kubeconfig, "there is no such file");
    return parse_kubeconfig(*bytes, kubeconfig);
  }
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr || *host == '\0' || *port == '\0') return std::nullopt;
  // kubelet sets the bare address; in a URL it stands in brackets. Source: RFC 3986, section 3.2.2.
  const bool is_v6 = std::string_view(host).find(':') != std::string_view::npos;
  return Cluster{.url = is_v6 ? fmt::format("https://[{}]:{}", host, port) : fmt::format("https://{}:{}", host, port),
                 .ca_file = service_account + "/ca.crt",
                 .token_file = service_account + "/token"};
}

}  // namespace barewire::kubernetes
