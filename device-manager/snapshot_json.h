// SPDX-License-Identifier: Apache-2.0
/// A snapshot as JSON: the stable form that docs/admin.md describes key by key. No I/O.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "device-manager/snapshot.h"

namespace barewire::manager {

/// "format" in the document; it rises only when a key changes its meaning or goes.
inline constexpr int kSnapshotFormat = 1;

/// The whole document, and the parts of it that other commands print by themselves.
boost::json::object to_json(const Snapshot& snapshot);
boost::json::object to_json(const PfEntry& pf);
boost::json::object to_json(const VfEntry& vf);
/// Who holds something: network, container, interface, netns, pod, since. Not the whole record.
boost::json::object holder_json(const state::Attachment& attachment);

/// What is not known is null, in every document.
template <typename T>
boost::json::value or_null(const std::optional<T>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}
/// As or_null; a text that is not known is empty.
inline boost::json::value text_or_null(const std::string& text) {
  return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
}

/// Indented by two blanks, with a newline at the end.
std::string pretty(const boost::json::value& value);

}  // namespace barewire::manager
