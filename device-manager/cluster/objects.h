// SPDX-License-Identifier: Apache-2.0
/// Objects of the API server as this directory reads and writes them: paths, whole lists, one object and its changes.
/// Of the thread of its Api. Source: Kubernetes API concepts.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/kubernetes/api.h"

namespace barewire::cluster {

inline constexpr const char* kSriovApi = "/apis/sriovnetwork.openshift.io/v1";
inline constexpr const char* kSriovVersion = "sriovnetwork.openshift.io/v1";

/// "/apis/GROUP/V/namespaces/NS/RESOURCE[/NAME]"; `api` is "/api/v1" or "/apis/GROUP/V".
std::string path_of(const std::string& api, const std::string& name_space, const std::string& resource,
                    const std::string& name = {});

/// Every object of the collection, page by page; `query` is without '?'. A list that changed while its pages were read
/// (410 Gone) is an ApiRefusal: the next look begins anew. Throws as Api::require.
std::vector<boost::json::value> list_all(kubernetes::Api& api, const std::string& path, const std::string& query = {});
/// nullopt: the API server knows no such collection (404).
std::optional<std::vector<boost::json::value>> find_all(kubernetes::Api& api, const std::string& path);

/// nullopt when there is none. Throws as Api::require for any other refusal.
std::optional<boost::json::value> find_object(kubernetes::Api& api, const std::string& path);
/// Puts the whole object, which carries its resourceVersion: 409 when somebody else was faster.
boost::json::value replace(kubernetes::Api& api, const std::string& path, const boost::json::value& object);
boost::json::value create(kubernetes::Api& api, const std::string& collection, const boost::json::value& object);
/// RFC 7396: a null member goes, others stay.
boost::json::value merge(kubernetes::Api& api, const std::string& path, const boost::json::value& patch);

/// A string below `object`, "metadata", "name"; empty where there is none.
std::string text_at(const boost::json::value& object, std::initializer_list<const char*> path);
/// Of "metadata.annotations".
std::string annotation_of(const boost::json::value& object, const char* name);

}  // namespace barewire::cluster
