// SPDX-License-Identifier: Apache-2.0
/// What a rule allows of one subject. Pure: read from JSON by policy.cc, compared with an Ask, never changed. In which
/// form it is written is told by the subject's kind (subject.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_view.h"
#include "core/policy/ask.h"

namespace barewire::policy {

class Bound {
 public:
  /// Throws Error of `json` naming the key when the value is not what the subject's kind takes.
  static Bound parse(const SubjectInfo& subject, const JsonView& json);
  /// Whether all of what `ask` names lies within. Nothing that is not understood is allowed; "no limit" (kUnlimited) is
  /// more than any bound.
  bool allows(const Ask& ask) const;
  /// As it is written, for messages.
  const std::string& text() const noexcept { return text_; }

 private:
  struct VfPattern {
    std::string pf;                    ///< a pattern for one of the PF's names
    std::vector<NumberRange> numbers;  ///< empty: every VF
  };
  static VfPattern parse_vfs(const JsonView& element);
  bool allows_vfs(const Ask& ask) const;

  Kind kind_ = Kind::flag;
  std::string text_;
  /// Of each kind its own, the rest stays empty.
  bool flag_ = false;
  std::uint64_t limit_ = 0;
  std::vector<std::string> patterns_;
  std::vector<NumberRange> numbers_;
  std::vector<IpPrefix> prefixes_;
  std::vector<VfPattern> vfs_;
};

/// Whether one of `names` fits one of `patterns` and none fits a pattern that begins with '!'. '*' stands for any
/// characters, '?' for one. In paths neither stands for '/', "**" does, and a name that is not absolute, or leads
/// upwards by "..", fits nothing.
bool fits(const std::vector<std::string>& patterns, const std::vector<std::string>& names, bool paths = false);

/// The 48 bits of an address.
std::uint64_t number_of(const MacAddress& mac);

}  // namespace barewire::policy
