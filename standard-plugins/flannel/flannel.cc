// SPDX-License-Identifier: Apache-2.0
/// The flannel plugin: has another plugin, bridge unless told otherwise, serve the pod with addresses of the subnet
/// that flanneld leased for the node. DEL follows the configuration ADD made, whatever flanneld has leased by then.
#include <fcntl.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/cni/delegate.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "core/rollback.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/flannel/config.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

namespace json = boost::json;

constexpr std::string_view kName = "flannel";
constexpr const char* kDelegateKey = "delegate";

struct Delegate {
  std::string type;
  json::object config;
};

/// Throws Error{config} when the subnet file is missing or incomplete.
Delegate delegate_of(const cni::NetConf& conf, const FlannelConfig& config) {
  const auto text = read_file(config.subnet_file);
  if (!text)
    throw Error(Error::Code::config, fmt::format("reading {} failed: there is no such file", config.subnet_file),
                "flanneld writes it when it has leased a subnet; does it run? Config key \"subnetFile\" names another");
  Delegate delegate;
  delegate.config = delegate_config(conf, config, FlannelSubnet::parse(*text, config.subnet_file));
  delegate.type = delegate.config.at("type").as_string();
  return delegate;
}

/// The delegate's own configuration: of the record, else of the reference plugin's file.
std::optional<std::string> saved_config(const state::Attachment& attachment, const std::string& file) {
  const json::value* saved = attachment.data.if_contains(kDelegateKey);
  if (saved != nullptr && saved->is_string()) return std::string(saved->get_string());
  return read_roots_file(file);
}

void call_del(const state::Attachment& attachment, const std::string& saved, Node& node) {
  std::string type;
  try {
    const json::value document = parse_json(saved, "the delegate's saved configuration");
    type = JsonView(document).at("type").string();
  } catch (const Error& error) {
    log_warning("ignoring, since it tells nothing of what was made: {}", error.what());
    return;
  }
  // By the record, not by this call: GC, which comes here too, tells nothing of the attachment.
  cni::delegate_del(type, attachment.del_environment(), saved, node);
}

/// A configuration that makes no sense by now has none of the reference's files either.
std::string file_of(const state::Attachment& attachment) {
  const auto conf = cni::NetConf::parse(attachment.config);
  return flannel_file(FlannelConfig::parse(conf.root()).data_dir, attachment.id.container_id);
}

/// The file is named after the container alone: another network of the same pod may have written it.
bool is_of_another(const state::Attachment& attachment, const Node& node) {
  const auto all = store_of(node).list();
  return std::any_of(all.begin(), all.end(), [&](const state::Attachment& other) {
    return other.id != attachment.id && other.id.plugin == kName && other.id.container_id == attachment.id.container_id;
  });
}

void undo(const state::Attachment& attachment, Node& node) {
  const std::string file = file_of(attachment);
  if (attachment.data.contains(kDelegateKey)) {
    const std::string saved = saved_config(attachment, file).value();
    call_del(attachment, saved, node);
    // The file is named by the container alone; one that another network of the pod wrote is left to that.
    if (read_roots_file(file) == saved || !is_of_another(attachment, node)) remove_file(file);
  } else if (!is_of_another(attachment, node)) {
    if (const auto saved = saved_config(attachment, file)) call_del(attachment, *saved, node);
    remove_file(file);
  }
}

/// For the reference plugin, should it be the one to DEL; ours trusts its record, so a part of a file does no harm.
void save_for_reference(const state::Attachment& attachment, const FlannelConfig& config, const std::string& delegate,
                        const Node& node) {
  make_directories(config.data_dir, 0700);
  const std::string file = flannel_file(config.data_dir, attachment.id.container_id);
  if (is_of_another(attachment, node)) return;
  write_all(open_regular_for_writing(file, O_WRONLY | O_TRUNC, 0600).get(), delegate, file);
}

cni::Result add(const cni::Request& request, Node& node) {
  const FlannelConfig config = FlannelConfig::parse(request.conf.root());
  const Delegate delegate = delegate_of(request.conf, config);
  cni::require_plugin(delegate.type, request.environment, node);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    const std::string text = json::serialize(delegate.config);
    attachment.data[kDelegateKey] = text;
    // Before the delegate is called: DEL needs nothing but this text, whatever flanneld leases by then.
    store_of(node).save(attachment);
    // A node may be changed back: then the reference plugin's DEL finds its file.
    save_for_reference(attachment, config, text, node);
    return cni::delegate_add(delegate.type, request.environment, text, request.conf.cni_version, node);
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

/// With the configuration of ADD and the result of it.
void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  state::Attachment none;
  const FlannelConfig config = FlannelConfig::parse(request.conf.root());
  const auto saved = saved_config(record ? *record : none, flannel_file(config.data_dir, request.container_id));
  if (!saved)
    throw Error(Error::Code::drift, fmt::format("{}: there is no record of its delegate", request.container_id));
  json::object delegate = parse_json(*saved, "the delegate's saved configuration").as_object();
  delegate["prevResult"] = request.conf.root().at("prevResult").value();
  const std::string type(delegate.at("type").as_string());
  cni::call_plugin(type, request.environment, json::serialize(delegate), node);
}

/// A delegate that is no longer what it was has been asked for every pod by then.
void collect_of_delegate(const cni::Request& request, Node& node) {
  const auto valid = request.conf.root().find("cni.dev/valid-attachments");
  if (!valid) return;
  Delegate delegate = delegate_of(request.conf, FlannelConfig::parse(request.conf.root()));
  delegate.config["cni.dev/valid-attachments"] = valid->value();
  cni::call_plugin(delegate.type, request.environment, json::serialize(delegate.config), node);
}

void gc(const cni::Request& request, Node& node) {
  Collector collector;
  collector.run("attachments", [&] { collect_unlisted(request, node, kName, undo); });
  collector.run("what the delegate has", [&] { collect_of_delegate(request, node); });
  collector.finish();
}

void status(const cni::Request& request, Node& node) {
  Delegate delegate;
  try {
    delegate = delegate_of(request.conf, FlannelConfig::parse(request.conf.root()));
    cni::require_plugin(delegate.type, request.environment, node);
  } catch (const Error& error) {
    throw Error(Error::Code::not_available, error.what(), error.hint());
  }
  cni::call_plugin(delegate.type, request.environment, json::serialize(delegate.config), node);
}

}  // namespace

const cni::Plugin kFlannel{.name = kName,
                           .about = "has another plugin serve the pod out of the node's flannel subnet",
                           .add = add,
                           .del = del,
                           .check = check,
                           .gc = gc,
                           .status = status,
                           .validate = [](const cni::Request& request) { FlannelConfig::parse(request.conf.root()); }};

}  // namespace barewire::standard
