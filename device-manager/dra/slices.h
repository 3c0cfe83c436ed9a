// SPDX-License-Identifier: Apache-2.0
/// ResourceSlices: how a node's devices are laid out in them, and which writes lead from those that the API server has
/// to those that it should have. Pure logic. One pool of the API for the devices of a PF, so that a VF more or less on
/// one leaves the others' slices alone.
/// Source: Kubernetes, resource.k8s.io/v1, types ResourceSlice and ResourcePool.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device-manager/dra/offer.h"

namespace barewire::dra {

/// The API's limits: a slice in which a device has a taint may hold half as many.
inline constexpr std::size_t kMostDevices = 128;
inline constexpr std::size_t kMostTaintedDevices = 64;

/// Which node and driver the slices are of.
struct Identity {
  std::string driver{};
  std::string node{};
  std::string node_uid{};
  std::string api_version{};  ///< "v1" or "v1beta1"
};

/// The slices of one PF, numbered from 0 by their place here.
struct DesiredPool {
  std::string name{};                        ///< "n1/0000-01-00.0"
  std::vector<boost::json::array> slices{};  ///< devices, in the form of v1
};
/// What the API server keeps of a device; one with the feature switched off drops the field without a word.
struct Abilities {
  bool taints = true;   ///< else a device in trouble is left out
  bool sharing = true;  ///< else each port of a bridge is a device by itself
  friend bool operator==(const Abilities&, const Abilities&) = default;
};
/// Devices in a stable order: by PF, by number. A bridge in trouble is left out.
std::vector<DesiredPool> lay_out(std::vector<Offer> offers, const std::map<std::string, NicFacts>& facts,
                                 const Identity& identity, Abilities abilities);
/// Where the API has an offer: "n1/0000-01-00.0", "0000-01-10-3"; of a bridge "n1/ovs-br0", "br0", after its pool.
struct ApiPlace {
  std::string pool{}, device{};
};
ApiPlace place_of(const Offer& offer, const std::string& node);
/// A port of a bridge as a device by itself: "br0-7" of "br0", and back. nullopt for what has no number at its end.
std::string port_name(const std::string& bridge, int number);
std::optional<std::pair<std::string, int>> parse_port_name(const std::string& name);
/// Of the PF, or other parent, `parent` (its id): unique in the cluster, since the node's name is part of it.
std::string pool_name(const std::string& node, const std::string& parent);

/// A slice as the API server has it, in one form for all versions of the API.
struct PublishedSlice {
  std::string name{}, resource_version{}, uid{};
  std::string pool{};
  std::int64_t generation = 0;
  /// resourceSliceCount, as this slice tells it
  std::int64_t count = 0;
  boost::json::array devices{};
  bool is_sound = false;  ///< of this node and driver in the way that we write it
};
/// Throws Error{decode} for what is no ResourceSlice.
PublishedSlice parse_slice(const boost::json::value& slice, const Identity& identity);

/// One request to the API server. An update carries the resourceVersion that it is based on.
struct SliceWrite {
  enum class Kind { create, update, remove } kind = Kind::create;
  std::string name{};
  boost::json::object body{};  ///< of create and update
};
/// `published` by name. Where a pool's slices hold other devices than before, more than one of them or another number
/// of them, all are written with a higher generation; else only those whose content differs. Removals come last.
std::vector<SliceWrite> plan_writes(const std::vector<DesiredPool>& desired,
                                    const std::map<std::string, PublishedSlice>& published, const Identity& identity);

}  // namespace barewire::dra
