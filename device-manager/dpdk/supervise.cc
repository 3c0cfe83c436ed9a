// SPDX-License-Identifier: Apache-2.0
// The worker's log goes to memory, not a pipe: the EAL must never wait for us.
#include "device-manager/dpdk/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/child.h"
#include "core/error.h"
#include "core/fd.h"

namespace barewire::dpdk {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostLog = 16 << 10;  // bytes, of its end

/// EAL makes its directory below $RUNTIME_DIRECTORY, even where it shares no file. Source: DPDK, lib/eal/common.
class RuntimeDirectory {
 public:
  RuntimeDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "barewire-probe-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw sys_error("making a directory for DPDK, {}", pattern);
    path_ = pattern;
  }
  RuntimeDirectory(const RuntimeDirectory&) = delete;
  RuntimeDirectory& operator=(const RuntimeDirectory&) = delete;
  ~RuntimeDirectory() {
    std::error_code ignored;  // a directory left in /tmp hurts nobody
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> environment_with(const std::string& runtime_directory) {
  std::vector<std::string> environment;
  for (std::string& each : own_environment())
    if (!each.starts_with("RUNTIME_DIRECTORY=")) environment.push_back(std::move(each));
  environment.push_back("RUNTIME_DIRECTORY=" + runtime_directory);
  return environment;
}

/// Until the other end closes; false when `deadline` passes first.
bool read_until(int fd, Clock::time_point deadline, std::string& bytes) {
  std::array<char, 4096> buffer{};
  while (bytes.size() < kLargestFile) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) throw sys_error("waiting for DPDK");
    if (ready <= 0) continue;
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno != EINTR) throw sys_error("reading what DPDK says");
    if (size == 0) return true;
    if (size > 0) bytes.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return false;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw sys_error("waiting for process {}", child);
  return status;
}

std::string end_of(int file) {
  const off_t size = ::lseek(file, 0, SEEK_END);
  const off_t from = size > static_cast<off_t>(kMostLog) ? size - static_cast<off_t>(kMostLog) : 0;
  if (size < 0 || ::lseek(file, from, SEEK_SET) < 0) return "";
  return read_all(file, "DPDK's log");
}

}  // namespace

WorkerEnd run_worker(const std::vector<std::string>& arguments, std::chrono::milliseconds limit) {
  const RuntimeDirectory directory;
  const Fd log(::memfd_create("dpdk-log", MFD_CLOEXEC));
  if (!log) throw sys_error("creating a memory file");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe");
  const Fd answer(ends[0]);
  Fd workers_end(ends[1]);
  const auto deadline = Clock::now() + limit;
  const pid_t child = start_child({.path = "/proc/self/exe",
                                   .arguments = arguments,
                                   .environment = environment_with(directory.path()),
                                   .output = workers_end.get(),
                                   .errors = log.get()});
  workers_end.reset();
  WorkerEnd end;
  end.timed_out = !read_until(answer.get(), deadline, end.answer);
  if (end.timed_out) ::kill(child, SIGKILL);
  end.status = wait_for(child);
  end.log = end_of(log.get());
  return end;
}

}  // namespace barewire::dpdk
