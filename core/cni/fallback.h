// SPDX-License-Identifier: Apache-2.0
/// The second way to serve a pod: the plugin configuration under the key "fallback", used when this node has not got
/// what the plugin lives from. The way taken is in the attachment's record, so that DEL, CHECK and GC follow it
/// whatever the node looks like by then. Used by sriov and ovs; calls plugins through delegate.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/delegate.h"
#include "core/state/attachment.h"
#include "core/state/store.h"

namespace barewire::cni {

/// What a node can lack.
enum class Lack {
  free_vf,      ///< every VF of the pool, or the one asked for, is in use
  device,       ///< the VF or its PF is not there
  bridge,       ///< the Open vSwitch bridge is not there
  vswitch,      ///< ovsdb-server or ovs-vswitchd is down
  unsupported,  ///< the NIC cannot do what is asked
};
/// "no-free-vf", "no-device", "no-bridge", "no-vswitch", "unsupported": the words of "fallback.when".
std::string_view word(Lack lack);

/// An ADD or STATUS that fails because the node lacks something; nothing is left of the ADD when this arrives at the
/// plugin's entry.
class LackError : public Error {
 public:
  LackError(Lack lack, const Error& error) : Error(error), lack_(lack) {}
  Lack lack() const noexcept { return lack_; }

 private:
  Lack lack_;
};

/// Runs `step`; an Error of `code` it throws is thrown on as a LackError.
template <typename Step>
auto lacking(Lack lack, Error::Code code, const Step& step) -> decltype(step()) {
  try {
    return step();
  } catch (const LackError&) {
    throw;
  } catch (const Error& error) {
    if (!error.is(code)) throw;
    throw LackError(lack, error);
  }
}

struct Fallback {
  std::string type;
  std::vector<Lack> when;
  std::string config;  ///< stdin for that plugin

  /// nullopt without the key. Throws Error{config} naming "fallback", "fallback.type" or "fallback.when".
  static std::optional<Fallback> parse(const Request& request);
  bool serves(Lack lack) const;
};

/// Throws as Fallback::parse, and as require_plugin: asked before an ADD touches
/// anything.
void require_fallback(const Request& request, const Node& node);

/// Serves the ADD by the fallback, or throws `lack` on when there is none for it. `plugin` keeps the record. Throws
/// what the fallback's plugin throws, after its DEL.
Result add_by_fallback(const Request& request, Node& node, std::string_view plugin, const LackError& lack);

/// How an attachment came to be served by its fallback, from its record.
struct FallbackRecord {
  std::string type;     ///< the plugin
  std::string config;   ///< its stdin at ADD
  std::string when;     ///< the word of the Lack
  std::string because;  ///< the message ADD would have failed with
};
/// What the record says of it. nullopt: the plugin itself served it. Throws Error{state} naming the key.
std::optional<FallbackRecord> find_fallback(const state::Attachment& attachment);
bool is_by_fallback(const state::Attachment& attachment);
/// DEL of the fallback's plugin, then of the record. Throws that plugin's Error, and keeps the record then.
void undo_fallback(const state::Attachment& attachment, const std::string& cni_path, Node& node);
/// CHECK of the fallback's plugin, with what ADD was called with and the present "prevResult".
void check_fallback(const state::Attachment& attachment, const Request& request, Node& node);
/// GC of the plugin named by the present configuration's fallback; nothing without one.
void gc_fallback(const Request& request, Node& node);
/// Whether the fallback can serve an ADD; throws `lack` on when there is none for it, else its STATUS error.
void status_by_fallback(const Request& request, Node& node, const LackError& lack);

}  // namespace barewire::cni
