// SPDX-License-Identifier: Apache-2.0
// Reading the records that one chain left, newest last.
#include "core/cni/later_plugins.h"

#include <sys/stat.h>

#include <array>
#include <tuple>

#include "core/cni/request.h"

namespace barewire::cni {

namespace {

constexpr std::string_view kTuning = "tuning";
/// Those that go behind another plugin and keep a record.
constexpr std::array<std::string_view, 7> kChained = {"bandwidth", "firewall", "portmap", "rdma",
                                                      "sbr",       "vrf",      kTuning};

/// A plugin writes its record for the last time as it ends, so the order of the files is that of the chain. Two that
/// end within one tick of the kernel's clock are told by who changes results.
using Order = std::tuple<std::int64_t, std::int64_t, bool, bool>;

Order order_of(const state::Store& store, const state::AttachmentId& id, bool is_first) {
  struct stat status {};
  // Gone meanwhile: before all others.
  if (::stat(store.path_of(id).c_str(), &status) < 0) return {};
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, !is_first, id.plugin == kTuning};
}

}  // namespace

std::optional<boost::json::value> find_final_result(const state::Store& store, const state::Attachment& attachment) {
  const boost::json::value* own = attachment.data.if_contains("result");
  if (own == nullptr) return std::nullopt;
  boost::json::value last = *own;
  Order latest = order_of(store, attachment.id, true);
  for (const std::string_view plugin : kChained) {
    state::AttachmentId id = attachment.id;
    id.plugin = plugin;
    const auto record = id == attachment.id ? std::nullopt : store.find(id);
    const boost::json::value* result = record ? record->data.if_contains("result") : nullptr;
    if (result == nullptr) continue;
    const Order order = order_of(store, id, false);
    // The last to end has the chain's result, as each hands on what it got.
    if (order < latest) continue;
    last = *result;
    latest = order;
  }
  return last;
}

bool is_tuned_later(const state::Store& store, const state::AttachmentId& id, std::string_view key) {
  state::AttachmentId tuner = id;
  tuner.plugin = kTuning;
  const auto record = store.find(tuner);
  if (!record) return false;
  // The record has the configuration that tuning was called with: whether the key is in it says whether it acted.
  const NetConf conf = NetConf::parse(record->config);
  return conf.root().has(key) || conf.cni_arg(key).has_value();
}

}  // namespace barewire::cni
