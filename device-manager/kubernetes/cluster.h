// SPDX-License-Identifier: Apache-2.0
/// Where the API server is and who the daemon is to it: a pod's service account, or a kubeconfig.
/// Source: Kubernetes, "Accessing the Kubernetes API from a Pod"; client-go's kubeconfig (v1).
#pragma once

#include <optional>
#include <string>

namespace barewire::kubernetes {

/// How to reach an API server, and what to prove oneself by: certificate, token or both. Its files have not been read
/// yet.
struct Cluster {
  std::string url{};  ///< "https://10.0.0.1:443", without a slash at its end
  /// Each either as a file, which is read again for every connection, or as its content (PEM).
  std::string ca_file{}, ca{};
  std::string certificate_file{}, certificate{};
  std::string key_file{}, key{};
  std::string token_file{}, token{};  ///< the file is read again for every request: kubelet renews it
  bool insecure = false;              ///< the kubeconfig says not to verify the server
};

/// Where a pod's service account is. Tests have it elsewhere.
inline constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

/// `kubeconfig` when it is given, else the pod's own; nullopt when this is no pod either. Throws Error{config} for a
/// kubeconfig that cannot be used, naming file and key.
std::optional<Cluster> find_cluster(const std::string& kubeconfig,
                                    const std::string& service_account = kServiceAccount);

/// The current context of a kubeconfig. `path` is for messages, and what relative files are relative to. Reads no other
/// file. Throws Error{config} naming `path` and key; also for an authentication that needs a program run.
Cluster parse_kubeconfig(const std::string& bytes, const std::string& path);

}  // namespace barewire::kubernetes
