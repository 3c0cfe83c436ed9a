// SPDX-License-Identifier: Apache-2.0
/// The policy of a node: rules that bound what network configurations may ask of it, by network and by namespace of
/// the pod. Pure; file.h reads the files, core/cni/guard.h applies it to every ADD.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/ask.h"
#include "core/policy/bound.h"

namespace barewire::policy {

/// What a rule, or the policy, does with what it does not mention. There is no default: a rule that is misread would
/// allow what it should not, or refuse what it should.
enum class Otherwise { allow, refuse };

/// For whom a request is.
struct Subscriber {
  std::string network;        ///< "name" of the network configuration: the choice of whoever writes it
  std::string pod_namespace;  ///< K8S_POD_NAMESPACE of CNI_ARGS, which the runtime fills in; empty without one
};

struct Rule {
  std::string file;                                    ///< where it stands
  std::size_t number = 0;                              ///< from 1, in that file
  std::size_t line = 0;                                ///< of its opening brace, from 1
  std::string name;                                    ///< may be empty
  std::optional<std::vector<std::string>> networks;    ///< patterns; absent: any
  std::optional<std::vector<std::string>> namespaces;  ///< patterns; absent: any, and none
  Otherwise others = Otherwise::refuse;
  std::map<Subject, Bound> allow;

  /// Both "networks" and "namespaces", as far as they are there. A pod without a namespace has the name "", which only
  /// "*" fits.
  bool is_for(const Subscriber& subscriber) const;
  /// `/etc/barewire/policy.json, line 7: rule 2 "tenants"`
  std::string text() const;
};

class Policy {
 public:
  /// Adds the rules of a file after those of earlier ones. Throws Error{policy} naming file and key: a key that is
  /// unknown, missing or of the wrong type; letter case counts.
  void add_file(const std::string& path, std::string_view bytes);

  /// The first rule for `subscriber`; nullptr when there is none, and `unmatched` decides.
  const Rule* find_rule(const Subscriber& subscriber) const;
  Otherwise unmatched() const noexcept { return unmatched_.value_or(Otherwise::refuse); }
  /// In the order in which they are asked.
  const std::vector<Rule>& rules() const noexcept { return rules_; }

  /// Throws Error{policy} that names the first of `asks` which is not allowed, the file, the line and the rule.
  void require_allowed(const Subscriber& subscriber, const Asks& asks) const;
  /// One sentence about who decides: the rule, or that none is for `subscriber`.
  std::string verdict(const Subscriber& subscriber) const;

 private:
  std::vector<Rule> rules_;
  std::optional<Otherwise> unmatched_;
  std::string first_file_;
};

/// Where each element of "rules" begins, as lines from 1: a JSON parser keeps no positions.
std::vector<std::size_t> lines_of_rules(std::string_view bytes);

}  // namespace barewire::policy
