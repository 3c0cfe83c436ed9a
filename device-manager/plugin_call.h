// SPDX-License-Identifier: Apache-2.0
/// Calling a plugin outside a runtime: the table's own code in a child process, so that a plugin that hangs or dies
/// takes nothing along, and its log settings and namespaces stay its own. Used by reaper.h and checker.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/cni/plugin.h"
#include "core/state/lock.h"

namespace barewire::manager {

/// Above what a plugin waits for a lock (30 s) and a NIC's slowest reset.
inline constexpr std::chrono::seconds kPluginTimeout{120};

/// Runs plugin `type` with `environment` and `stdin_bytes` and returns what it prints. A type that node.plugins does
/// not hold is executed from the environment's CNI_PATH. Throws the plugin's own Error, code kept; Error{delegate} when
/// it dies or takes longer than `timeout` (it is killed then). A process with one thread forks; one with more executes
/// its own program, whose main has to give way to perform_plugin_call.
/// `held`: a lock the caller holds until this returns, and which the plugin takes for its own.
std::string call_in_child(const Node& node, const std::string& type, const cni::Environment& environment,
                          const std::string& stdin_bytes, std::chrono::milliseconds timeout,
                          const state::FileLock* held = nullptr);

/// In the main of a program with threads, before anything else: the exit status of a call made by call_in_child;
/// nullopt when this is none.
std::optional<int> perform_plugin_call(int argc, char** argv, const Node& node);

/// "what (hint)", for one line. Without a hint no brackets.
std::string describe(const Error& error);

}  // namespace barewire::manager
