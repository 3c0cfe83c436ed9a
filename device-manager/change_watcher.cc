// SPDX-License-Identifier: Apache-2.0
// Several sources, any of which may miss something: they only say when to look again, never what happened.
#include "device-manager/change_watcher.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/directory.h"
#include "core/error.h"

namespace barewire::manager {
namespace {

constexpr std::chrono::milliseconds kQuiet{150};  ///< a burst is over when nothing came for this long
constexpr std::chrono::milliseconds kLongestBurst{1000};

void drain_inotify(int fd) {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (::read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

/// Overrun (ENOBUFS) too only says that something changed.
void drain_socket(int fd) {
  std::array<char, 65536> buffer{};
  // ENOBUFS means that messages were lost, once; reading goes on behind it.
  while (::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0 || errno == ENOBUFS) {
  }
}

}  // namespace

ChangeWatcher::ChangeWatcher(std::string run_dir, std::string netns_dir)
    : run_dir_(std::move(run_dir)),
      netns_dir_(std::move(netns_dir)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!inotify_) throw sys_error("watching for changed records");
  links_.join(RTNLGRP_LINK);
  watch_directories();
}

/// Called again before each wait: directories come and go, and a network's first attachment makes a new one. One that
/// is
/// not there is no error; the watch on what holds it tells when it comes.
/// A directory watched already keeps its one watch.
void ChangeWatcher::watch_directories() {
  constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  const std::string attachments = run_dir_ + "/attachments";
  std::vector<std::string> directories = {run_dir_, run_dir_ + "/devices", attachments, netns_dir_};
  try {
    for (const std::string& network : list_directory(attachments)) directories.push_back(attachments + "/" + network);
  } catch (const Error&) {  // the look that comes at every interval says so
  }
  for (const std::string& directory : directories) ::inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
}

ChangeWatcher::Event ChangeWatcher::poll_once(std::chrono::milliseconds timeout, int other) {
  std::array<pollfd, 3> watched = {{{.fd = inotify_.get(), .events = POLLIN, .revents = 0},
                                    {.fd = links_.fd(), .events = POLLIN, .revents = 0},
                                    {.fd = other, .events = POLLIN, .revents = 0}}};
  const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) throw sys_error("waiting for changes");
  if (ready <= 0) return Event::timeout;
  // The caller's descriptor first: it is the one that stops the program.
  if (watched[2].revents != 0) return Event::readable;
  if (watched[0].revents != 0) drain_inotify(watched[0].fd);
  if (watched[1].revents != 0) drain_socket(watched[1].fd);
  return Event::changed;
}

void ChangeWatcher::drain() {
  const auto fds = descriptors();
  drain_inotify(fds[0]);
  drain_socket(fds[1]);
}

void ChangeWatcher::settle() {
  // An end of its own: on a node where something changes all the time it would never become quiet.
  const auto end = std::chrono::steady_clock::now() + kLongestBurst;
  while (std::chrono::steady_clock::now() < end && poll_once(kQuiet, -1) == Event::changed) {
  }
}

ChangeWatcher::Event ChangeWatcher::wait(std::chrono::milliseconds timeout, int other) {
  watch_directories();
  const Event event = poll_once(timeout, other);
  if (event == Event::changed) settle();
  return event;
}

}  // namespace barewire::manager
