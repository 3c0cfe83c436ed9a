// SPDX-License-Identifier: Apache-2.0
/// `barewire completion` and the hidden `barewire complete-words`, which the scripts of the former call.
/// Words are asked of the node at the moment of the key press: a list written into the script would be that of another
/// day.
#include <set>

#include "device-manager/cli/completion.h"
#include "device-manager/cli/session.h"
#include "device-manager/snapshot.h"

namespace barewire::cli {
namespace {

void add_devices(std::set<std::string>& words, const Node& node, bool pfs, bool vfs) {
  kernel::NlSocket socket;
  for (const vf::Pf& pf : vf::list_pfs(kernel::Sysfs(node.sysfs), socket)) {
    if (pfs) words.insert(pf.pci.address);
    if (pfs && pf.link) words.insert(pf.link->name);
    for (const vf::Vf& vf : pf.vfs) {
      if (vfs) words.insert(vf.pci.address);
    }
  }
}

void add_holders(std::set<std::string>& words, const Node& node, const std::string& kind) {
  for (const state::Attachment& attachment : state::Store(node.run_dir).list()) {
    if (kind == "NETWORK") words.insert(attachment.id.network);
    if (kind == "CONTAINER") words.insert(attachment.id.container_id);
    if (kind == "POD" && !attachment.pod.name.empty()) {
      words.insert(attachment.pod.name_space + "/" + attachment.pod.name);
    }
  }
}

void print_words(const Session& session, const std::string& kind) {
  std::set<std::string> words;
  if (kind == "PF" || kind == "DEVICE" || kind == "VF") {
    add_devices(words, session.node, kind != "VF", kind != "PF");
  } else {
    add_holders(words, session.node, kind);
  }
  // One word a line, each without control characters: a name of sysfs must not be able to end a word in the user's
  // shell.
  for (const std::string& word : words) session.print(printable(word) + "\n");
}

constexpr const char* kExamples = R"(Examples:
  barewire completion bash > /etc/bash_completion.d/barewire
  barewire completion zsh > /usr/local/share/zsh/site-functions/_barewire
  barewire completion fish > ~/.config/fish/completions/barewire.fish)";

}  // namespace

void add_completion_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("completion", "Print the completion script of a shell");
  const auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "Which shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(kExamples);
  command->callback([&app, &session, shell] {
    session.print(*shell == "bash"  ? bash_completion(app)
                  : *shell == "zsh" ? zsh_completion(app)
                                    : fish_completion(app));
  });

  // In no group, so that help does not show it; its words are a promise to scripts that were installed earlier.
  auto* words = app.add_subcommand("complete-words", "Print what a completion script can offer")->group("");
  const auto kind = std::make_shared<std::string>();
  words->add_option("kind", *kind)
      ->required()
      ->check(CLI::IsMember({"PF", "DEVICE", "VF", "NETWORK", "POD", "CONTAINER"}));
  words->callback([&session, kind] { print_words(session, *kind); });
}

}  // namespace barewire::cli
