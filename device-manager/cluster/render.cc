// SPDX-License-Identifier: Apache-2.0
// Built as JSON and never as text: a value cannot break out of its place.
#include "device-manager/cluster/render.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <functional>

#include "device-manager/cluster/objects.h"
#include "device-manager/state/keys.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;
using declared::Problem;

constexpr const char* kResourceAnnotation = "k8s.v1.cni.cncf.io/resourceName";

/// JSON that the API has in a string.
json::value parse_text(const JsonView& view, const std::string& text, const char* expected) {
  try {
    return parse_json(text, view.path());
  } catch (const Error& error) {
    view.reject(expected, error.what());
  }
}

/// The plugin's configuration, key by key.
class Renderer {
 public:
  Renderer(std::vector<Problem>& problems, const JsonView& spec) : problems_(problems), spec_(spec) {}

  void word(const char* from, const char* to, const std::vector<std::string>& words) {
    key(from, [&](const JsonView& v) {
      const std::string text = v.string();
      if (text.empty()) return;
      if (std::find(words.begin(), words.end(), text) == words.end())
        v.reject(fmt::format("\"{}\"", fmt::join(words, "\" or \"")));
      config_[to] = text;
    });
  }
  void text(const char* from, const char* to) {
    key(from, [&](const JsonView& v) {
      if (!v.string().empty()) config_[to] = v.string();
    });
  }
  void number(const char* from, const char* to, std::int64_t most, const char* meaning) {
    key(from, [&](const JsonView& v) { config_[to] = v.integer(0, most, meaning); });
  }
  void object(const char* from, const char* to) {
    key(from, [&](const JsonView& v) {
      if (v.string().empty()) return;
      json::value parsed = parse_text(v, v.string(), "a JSON object");
      if (!parsed.is_object()) v.reject("a JSON object");
      config_[to] = std::move(parsed);
    });
  }
  void key(const char* name, const std::function<void(const JsonView&)>& read) {
    declared::attempt(problems_, [&] {
      if (const auto value = spec_.find(name)) read(*value);
    });
  }
  json::object& config() { return config_; }

  /// The further plugins of a chain: objects with commas between them.
  json::array meta_plugins() {
    json::array plugins;
    key("metaPlugins", [&](const JsonView& v) {
      if (v.string().empty()) return;
      constexpr const char* kExpected = "JSON objects with a \"type\", separated by commas";
      json::value parsed = parse_text(v, "[" + v.string() + "]", kExpected);
      for (const json::value& each : parsed.as_array())
        if (text_at(each, {"type"}).empty()) v.reject(kExpected);
      plugins = std::move(parsed.as_array());
    });
    return plugins;
  }

 private:
  std::vector<Problem>& problems_;
  const JsonView& spec_;
  json::object config_;
};

constexpr std::int64_t kMostRate = 4'000'000'000;

void render_sriov(Renderer& renderer) {
  json::object& config = renderer.config();
  config = {{"type", "sriov"}, {"vlan", 0}, {"vlanQoS", 0}};
  renderer.number("vlan", "vlan", 4094, "an 802.1Q VLAN id");
  renderer.number("vlanQoS", "vlanQoS", 7, "a priority");
  renderer.word("vlanProto", "vlanProto", {"802.1q", "802.1Q", "802.1ad", "802.1AD"});
  renderer.word("spoofChk", "spoofchk", {"on", "off"});
  renderer.word("trust", "trust", {"on", "off"});
  renderer.word("linkState", "link_state", {"auto", "enable", "disable"});
  renderer.number("minTxRate", "min_tx_rate", kMostRate, "Mb/s");
  renderer.number("maxTxRate", "max_tx_rate", kMostRate, "Mb/s");
  renderer.word("logLevel", "logLevel", {"panic", "error", "warning", "info", "debug"});
  renderer.text("logFile", "logFile");
  config["ipam"] = json::object();
}

void render_infiniband(Renderer& renderer) {
  renderer.config() = {{"type", "ib-sriov"}, {"ipam", json::object()}};
  renderer.word("linkState", "link_state", {"auto", "enable", "disable"});
}

void render_ovs(Renderer& renderer) {
  renderer.config() = {{"type", "ovs"}};
  renderer.text("bridge", "bridge");
  renderer.text("interfaceType", "interface_type");
  renderer.key("vlan", [&](const JsonView& v) {
    // 0 is the API's "not said": a port without a tag is a trunk.
    if (const auto id = v.integer(0, 4095, "a VLAN id"); id != 0) renderer.config()["vlan"] = id;
  });
  renderer.key("mtu", [&](const JsonView& v) {
    if (const auto mtu = v.integer(0, 65535, "bytes"); mtu != 0) renderer.config()["mtu"] = mtu;
  });
  renderer.key("trunk", [&](const JsonView& v) {
    json::array trunk;
    for (const JsonView& each : v.array("a list of VLAN ids and ranges")) trunk.push_back(each.value());
    if (!trunk.empty()) renderer.config()["trunk"] = std::move(trunk);
  });
}

/// As a list where there are further plugins; name and version are at the top then.
std::string config_text(const std::string& name, json::object plugin, json::array more) {
  json::object config{{"cniVersion", "1.0.0"}, {"name", name}};
  if (more.empty()) {
    for (auto& [key, value] : plugin) config[key] = value;
  } else {
    more.insert(more.begin(), std::move(plugin));
    config["plugins"] = std::move(more);
  }
  return json::serialize(config);
}

json::object attachment_definition(const Rendered& rendered, const std::string& operator_mark,
                                   const std::string& resource, const std::string& config) {
  return {{"apiVersion", "k8s.cni.cncf.io/v1"},
          {"kind", "NetworkAttachmentDefinition"},
          {"metadata", json::object{{"name", rendered.name},
                                    {"namespace", rendered.name_space},
                                    {"labels", json::object{{kManagedByLabel, kManagedBy}}},
                                    {"annotations", json::object{{kResourceAnnotation, resource},
                                                                 {kOperatorMark, operator_mark},
                                                                 {kRenderedFrom, rendered.source}}}}},
          {"spec", json::object{{"config", config}}}};
}

json::value config_of(const json::value& definition) {
  try {
    return parse_json(text_at(definition, {"spec", "config"}), "config");
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::string source_of(const std::string& kind, const json::value& object) {
  return fmt::format("{}/{}/{}", kind, text_at(object, {"metadata", "namespace"}),
                     text_at(object, {"metadata", "name"}));
}

std::optional<Rendered> render(std::vector<Problem>& problems, const std::string& kind, const json::value& object,
                               const std::string& prefix) {
  const std::size_t before = problems.size();
  Rendered rendered{.source = source_of(kind, object),
                    .name_space = text_at(object, {"metadata", "namespace"}),
                    .name = text_at(object, {"metadata", "name"})};
  const JsonView view(object, rendered.source + ": key");
  declared::attempt(problems, [&] {
    const JsonView spec = view.at("spec");
    const std::string space = rendered.name_space;
    Renderer renderer(problems, spec);
    if (kind == "SriovNetwork") render_sriov(renderer);
    if (kind == "SriovIBNetwork") render_infiniband(renderer);
    if (kind == "OVSNetwork") render_ovs(renderer);
    renderer.object("capabilities", "capabilities");
    renderer.object("ipam", "ipam");
    renderer.key("networkNamespace", [&](const JsonView& v) {
      if (!v.string().empty()) rendered.name_space = v.string();
    });
    const std::string resource = prefix + "/" + spec.at("resourceName").string();
    rendered.object =
        attachment_definition(rendered, fmt::format("{}.sriovnetwork.openshift.io/{}/{}", kind, space, rendered.name),
                              resource, config_text(rendered.name, renderer.config(), renderer.meta_plugins()));
  });
  return problems.size() == before ? std::optional(std::move(rendered)) : std::nullopt;
}

bool is_same_network(const Rendered& wanted, const json::value& current) {
  const json::value object = wanted.object;
  const auto same = [&](std::initializer_list<const char*> path) {
    return text_at(object, path) == text_at(current, path);
  };
  return same({"metadata", "annotations", kResourceAnnotation}) && same({"metadata", "annotations", kRenderedFrom}) &&
         same({"metadata", "labels", kManagedByLabel}) && config_of(object) == config_of(current);
}

}  // namespace barewire::cluster
