// SPDX-License-Identifier: Apache-2.0
// A JSON document is YAML too, but its errors are told better by a JSON parser, so that is asked first.
#include "device-manager/validate/document.h"

#include <yaml-cpp/yaml.h>

#include "core/json_view.h"

namespace barewire::manager {
namespace {

constexpr const char* kKind = "NetworkAttachmentDefinition";

Document document_of(const std::string& name_space, const std::string& name, std::string config) {
  return {fmt::format("{} {}{}{}", kKind, name_space, name_space.empty() ? "" : "/", name), name, std::move(config)};
}

Document document_of(const JsonView& object) {
  const auto metadata = object.at("metadata");
  const auto spec = object.find("spec");
  return document_of(metadata.string_or("namespace", ""), metadata.string_or("name", ""),
                     spec ? spec->string_or("config", "") : "");
}

void take_json(const JsonView& object, std::vector<Document>& documents) {
  const std::string kind = object.string_or("kind", "");
  if (kind == kKind) documents.push_back(document_of(object));
  if (!kind.ends_with("List")) return;  // as `kubectl get -o json` prints
  for (const JsonView& item : object.at("items").array()) take_json(item, documents);
}

std::string scalar(const YAML::Node& node, const char* key) {
  const YAML::Node child = node.IsMap() ? node[key] : YAML::Node();
  return child && child.IsScalar() ? child.Scalar() : std::string();
}

void take_yaml(const YAML::Node& object, std::vector<Document>& documents) {
  if (!object.IsMap()) return;
  if (scalar(object, "kind") == kKind && object["metadata"]) {
    const YAML::Node metadata = object["metadata"];
    documents.push_back(document_of(scalar(metadata, "namespace"), scalar(metadata, "name"),
                                    object["spec"] ? scalar(object["spec"], "config") : ""));
  }
  if (scalar(object, "kind").ends_with("List") && object["items"])
    for (const YAML::Node& item : object["items"]) take_yaml(item, documents);
}

std::vector<Document> split_yaml(const std::string& bytes, const std::string& file) try {
  std::vector<Document> documents;
  for (const YAML::Node& object : YAML::LoadAll(bytes)) take_yaml(object, documents);
  return documents;
} catch (const YAML::Exception& error) {
  throw Error(Error::Code::decode, fmt::format("{} is neither JSON nor YAML: {}", file, error.what()));
}

}  // namespace

std::vector<Document> split_documents(std::string_view bytes, const std::string& file) {
  const auto first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) throw Error(Error::Code::config, fmt::format("{} is empty", file));
  std::vector<Document> documents;
  if (bytes[first] == '{') {
    const boost::json::value value = parse_json(bytes, file);
    const JsonView view(value);
    if (!view.has("kind")) return {{"", "", std::string(bytes)}};
    take_json(view, documents);
  } else {
    documents = split_yaml(std::string(bytes), file);
  }
  if (documents.empty())
    throw Error(Error::Code::config, fmt::format("{} holds no network configuration", file),
                "a configuration has \"type\", a list \"plugins\", a manifest objects of kind "
                "NetworkAttachmentDefinition");
  return documents;
}

}  // namespace barewire::manager
