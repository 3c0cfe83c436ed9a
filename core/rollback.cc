// SPDX-License-Identifier: Apache-2.0
// Undo in two forms. A Rollback undoes the steps of an ADD that failed, in its destructor, which must not throw; a
// Collector runs all parts of a DEL or GC and throws the first failure at the end.
#include "core/rollback.h"

#include <exception>
#include <utility>

#include "core/log.h"

namespace barewire {

Rollback::~Rollback() {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    try {
      step->undo();
    } catch (const std::exception& error) {
      log_error("undoing '{}' failed, ignoring: {}", step->name, error.what());
    }
  }
}

void Rollback::add(std::string step, std::function<void()> undo) {
  steps_.push_back({std::move(step), std::move(undo)});
}

bool Collector::run(const std::string& name, const std::function<void()>& step) {
  try {
    step();
    return true;
  } catch (const std::exception& error) {
    log_error("{} failed, going on: {}", name, error.what());
    // The first: those after it are often its consequences.
    if (!first_) first_ = std::current_exception();
    return false;
  }
}

void Collector::finish() const {
  if (first_) std::rethrow_exception(first_);
}

}  // namespace barewire
