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
#include <string>
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
/// Devices in a stable order: by PF, by number. `with_taints`: a device in trouble is told with a taint; without, where
/// the API server knows none, it is left out.
std::vector<DesiredPool> lay_out(std::vector<Offer> offers, const std::map<std::string, NicFacts>& facts,
                                 const Identity& identity, bool with_taints);
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
