// SPDX-License-Identifier: Apache-2.0
/// A runtime drops a plugin that is late, and starts the pod without it: what counts is to answer in time, and to make
/// up afterwards for what was missed.
#include "device-manager/daemon/nri_side.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "device-manager/nri/connection.h"
#include "device-manager/plugin_call.h"

namespace barewire::daemon {

namespace {

constexpr std::chrono::milliseconds kSoonest{500};
constexpr std::chrono::milliseconds kLatest{60'000};
constexpr std::chrono::seconds kRetry{10};

Fd make_eventfd() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw sys_error("making an event descriptor");
  return fd;
}

void raise_event(const Fd& fd) {
  const std::uint64_t one = 1;
  // Full (EAGAIN) means that it is readable anyway.
  [[maybe_unused]] const ssize_t written = ::write(fd.get(), &one, sizeof one);
}

/// The answer has to be on its way before the runtime's own clock runs out.
nri::Deadline with_margin(nri::Deadline deadline) {
  const auto left = deadline - nri::Deadline::clock::now();
  return deadline - std::max(left / 10, nri::Deadline::duration::zero());
}

}  // namespace

NriSide::NriSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : socket_(options.nri),
      name_(options.kubelet.instance.empty() ? "barewire" : "barewire-" + options.kubelet.instance),
      log_(log),
      loop_(loop),
      retry_(loop.add_timer([this] { late_.post([this] { try_again(); }); })),
      stop_(make_eventfd()),
      wake_(make_eventfd()),
      attacher_(node, options.dra.driver, [log](const std::string& line) { log->info("{}", line); }),
      late_attacher_(node, options.dra.driver, [log](const std::string& line) { log->info("{}", line); }),
      pods_("nri-pods", [log](std::string_view failure) { log->error("attaching VFs of claims: {}", failure); }),
      late_("nri-catch-up", [log](std::string_view failure) { log->error("attaching VFs of claims: {}", failure); }),
      thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "nri");
}

void NriSide::on_change() {
  raise_event(wake_);
}

void NriSide::stop() {
  raise_event(stop_);
  if (thread_.joinable()) thread_.join();
  pods_.stop();
  late_.stop();
}

bool NriSide::wait(std::chrono::milliseconds after) {
  std::array<pollfd, 2> both{
      {{.fd = stop_.get(), .events = POLLIN, .revents = 0}, {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
  // Changes of a busy node come by the dozen: they shorten the pause, and not below this.
  if (::poll(both.data(), 1, static_cast<int>(kSoonest.count())) > 0) return false;
  ::poll(both.data(), both.size(), static_cast<int>((after - kSoonest).count()));
  return both[0].revents == 0;
}

void NriSide::run() {
  std::chrono::milliseconds pause = kSoonest;
  bool going_on = true;
  while (going_on) {
    std::uint64_t drained = 0;
    [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &drained, sizeof drained);
    const auto began = std::chrono::steady_clock::now();
    try {
      nri::serve(socket_, name_, hooks(), stop_.get());
      log_->info("the runtime at {} has closed the connection", socket_);
    } catch (const Error& error) {
      const std::string words = manager::describe(error);
      if (words != said_) log_->warn("VFs of claims are not attached by NRI: {}", words);
      said_ = words;
    }
    // A runtime that takes us and drops us at once must not keep both busy.
    const bool was_long = std::chrono::steady_clock::now() - began > kLatest;
    pause = was_long ? kSoonest : std::min(pause * 2, kLatest);
    going_on = wait(pause);
  }
}

nri::Hooks NriSide::hooks() {
  return {.configured =
              [this](const nri::Configuration& configuration) {
                said_.clear();
                log_->info("a plugin of {}: VFs of claims are attached as pods start, within {} ms",
                           configuration.runtime, configuration.request_timeout.count());
              },
          .synchronize =
              [this](std::vector<nri::Sandbox> running) {
                late_.post([this, running = std::move(running)] {
                  failing_.clear();
                  missed_ = running;
                  catch_up();
                });
              },
          .run = [this](const nri::Sandbox& sandbox, nri::Deadline deadline,
                        nri::Reply reply) { pods_.post([=, this] { on_run(sandbox, deadline, reply); }); },
          .stop = [this](const nri::Sandbox& sandbox, nri::Deadline deadline,
                         nri::Reply reply) { pods_.post([=, this] { on_stop(sandbox, deadline, reply); }); }};
}

void NriSide::on_run(const nri::Sandbox& sandbox, nri::Deadline deadline, const nri::Reply& reply) {
  std::string failure;
  try {
    attacher_.attach(sandbox, with_margin(deadline));
  } catch (const Error& error) {
    failure = manager::describe(error);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) log_->warn("pod {}/{} does not start: {}", sandbox.name_space, sandbox.name, failure);
  reply(failure);
  tidy();
}

void NriSide::on_stop(const nri::Sandbox& sandbox, nri::Deadline deadline, const nri::Reply& reply) {
  late_.post([this, id = sandbox.id] {
    failing_.erase(id);
    std::erase_if(missed_, [&](const nri::Sandbox& each) { return each.id == id; });
  });
  attacher_.detach(sandbox.id, with_margin(deadline));
  // Whatever came of it: a pod that ends is held up by nobody.
  reply("");
  tidy();
}

void NriSide::tidy() {
  if (!attacher_.tidy()) loop_.post([this] { retry_.set(kRetry); });
}

void NriSide::catch_up() {
  if (missed_.empty()) return;
  const nri::Sandbox sandbox = std::move(missed_.back());
  missed_.pop_back();
  try {
    late_attacher_.attach(sandbox, nri::Deadline::clock::now() + manager::kPluginTimeout);
    failing_.erase(sandbox.id);
  } catch (const std::exception& error) {
    if (failing_.insert_or_assign(sandbox.id, sandbox).second)
      log_->warn("pod {}/{} runs without VFs of its claims: {}", sandbox.name_space, sandbox.name, error.what());
  }
  const bool tidy = late_attacher_.tidy();
  if (!missed_.empty())
    late_.post([this] { catch_up(); });
  else if (!failing_.empty() || !tidy)
    loop_.post([this] { retry_.set(kRetry); });
}

void NriSide::try_again() {
  pods_.post([this] { tidy(); });
  for (const auto& [id, sandbox] : failing_) missed_.push_back(sandbox);
  catch_up();
}

}  // namespace barewire::daemon
