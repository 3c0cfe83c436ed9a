// SPDX-License-Identifier: Apache-2.0
/// Undoing an ADD that failed half-way: the list of undo steps, run newest first unless kept. Works on the caller's
/// thread, with the caller's locks held: declare a Rollback after them.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace barewire {

/// Each undo is added *before* its step, because a step can fail half-way; so every undo must be harmless when its step
/// never happened. An undo captures by value whatever is declared after the Rollback: those locals die before it runs.
class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  /// Runs the undo steps, newest first. One that throws is logged ("undoing 'X' failed, ignoring: …"); the rest run.
  ~Rollback();

  /// `step` names what is undone, for the log.
  void add(std::string step, std::function<void()> undo);
  /// The work is done: nothing will be undone.
  void keep() noexcept { steps_.clear(); }

 private:
  struct Step {
    std::string name;
    std::function<void()> undo;
  };
  std::vector<Step> steps_;
};

/// Runs `undo` steps that must all be tried (DEL, GC): remembers the first failure, goes on past it. Ends with
/// finish(): without it a failure is in the log alone.
class Collector {
 public:
  /// Runs `step`; true when it succeeded. A failure is remembered (the first) and logged.
  bool run(const std::string& name, const std::function<void()>& step);
  bool failed() const noexcept { return static_cast<bool>(first_); }
  /// Throws the first failure, if there was one.
  void finish() const;

 private:
  std::exception_ptr first_;
};

}  // namespace barewire
