// SPDX-License-Identifier: Apache-2.0
/// The answer of one look at the node: yes, no, or "cannot tell" and why. Not knowing is neither absence nor death:
/// nothing is deleted on the third answer, and whoever asked says what could not be looked at. A value; used by what
/// finds netns, processes and vfio users.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace barewire {

class [[nodiscard]] Look {
 public:
  static Look yes() { return Look(Answer::yes, {}); }
  static Look no() { return Look(Answer::no, {}); }
  static Look of(bool answer) { return answer ? yes() : no(); }
  /// `why` is a clause: "/proc/812/ns/net may not be read: Permission denied".
  static Look unknown(std::string why) { return Look(Answer::unknown, std::move(why)); }

  bool is_yes() const noexcept { return answer_ == Answer::yes; }
  bool is_no() const noexcept { return answer_ == Answer::no; }
  bool is_unknown() const noexcept { return answer_ == Answer::unknown; }  ///< then why() says why
  /// Of an unknown one; else empty.
  const std::string& why() const noexcept { return why_; }

  /// For who cannot go on without knowing. `what` completes "telling whether … failed". Throws Error{code}.
  bool require(std::string_view what, Error::Code code = Error::Code::io) const {
    if (is_unknown()) throw Error(code, fmt::format("telling whether {} failed: {}", what, why_));
    return is_yes();
  }

 private:
  enum class Answer { yes, no, unknown };
  Look(Answer answer, std::string why) : answer_(answer), why_(std::move(why)) {}
  Answer answer_;
  std::string why_;
};

}  // namespace barewire
