// SPDX-License-Identifier: Apache-2.0
// One O_APPEND write per event: the kernel appends under the inode's lock, so lines of parallel writers do not mix.
// Only turning the files over takes a lock, and who does not get it at once goes on with the full file.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/boot_id.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/journal.h"
#include "core/journal_search.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "core/temporary_file.h"

namespace barewire::journal {

namespace {

constexpr mode_t kMode = 0640;
constexpr std::string_view kMark = "bw1 ";
/// Where the files cannot be turned over, the journal ends here.
constexpr std::size_t kLargestSize = 2 * kFullSize;
constexpr std::size_t kLargestReadable = kLargestSize + (1 << 20);

std::string& process_directory() {
  static std::string directory;
  return directory;
}

std::string& thread_device() {
  thread_local std::string device;
  return device;
}

std::string current(const std::string& directory) {
  return directory + "/events";
}

std::string previous(const std::string& directory) {
  return directory + "/events.1";
}

/// Why a file in the journal's place is not the journal; empty when it is.
std::string why_foreign(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return fmt::format("it is {}", kind_of(status.st_mode));
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) return "it is not root's";
  if ((status.st_mode & 07777 & ~kMode) != 0)
    return fmt::format("its mode is {:04o}, which lets others than root's group at it", status.st_mode & 07777);
  if (status.st_nlink != 1) return "it has another name elsewhere";
  return {};
}

struct Opened {
  Fd fd;
  struct stat status {};
};

/// An empty descriptor where there is nothing. Throws Error{held} for what is not the journal's, Error{io}.
Opened open_ours(const std::string& path, int flags) {
  Opened opened{Fd(::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, kMode))};
  if (!opened.fd && errno == ENOENT) return opened;
  if (!opened.fd && (errno == ELOOP || errno == ENXIO || errno == EISDIR))
    throw Error(Error::Code::held, fmt::format("{} is not the journal: it is no regular file", path),
                "remove it: the next event makes a new one");
  if (!opened.fd) throw sys_error("opening {}", path);
  if (::fstat(opened.fd.get(), &opened.status) < 0) throw sys_error("looking at {}", path);
  if (const std::string why = why_foreign(opened.status); !why.empty())
    throw Error(Error::Code::held, fmt::format("{} is not the journal: {}", path, why),
                "remove it: the next event makes a new one");
  return opened;
}

/// The file to append to, made with its directories where it is missing: one call where it is there.
Opened open_current(const std::string& directory) {
  constexpr int kAppend = O_WRONLY | O_APPEND | O_CREAT;
  Opened opened = open_ours(current(directory), kAppend);
  if (opened.fd) return opened;
  // What is above our own may be others' as well: /var/lib/cni.
  if (directory.ends_with(kBelow)) make_directories(directory.substr(0, directory.rfind(kBelow)));
  make_directories(directory, 0700);
  return open_ours(current(directory), kAppend);
}

/// True when there is another file to write to now.
bool turn_over(int full, const std::string& directory) {
  // Of the file itself, so that who waits for nobody can tell whether another is at it. Two could otherwise rename
  // one after the other, and the second would put the new file in the full one's place.
  if (::flock(full, LOCK_EX | LOCK_NB) < 0) return false;
  if (!is_still_at(full, current(directory))) return true;
  return ::rename(current(directory).c_str(), previous(directory).c_str()) == 0;
}

void append(const std::string& directory, const std::string& line) {
  Opened opened = open_current(directory);
  if (static_cast<std::size_t>(opened.status.st_size) >= kFullSize && turn_over(opened.fd.get(), directory))
    opened = open_current(directory);
  if (!opened.fd) throw errno_error(ENOENT, "opening " + current(directory));
  if (static_cast<std::size_t>(opened.status.st_size) >= kLargestSize)
    throw Error(Error::Code::io, fmt::format("{} is full and cannot be renamed", current(directory)));
  // What a full disk takes in of it is a torn line, which readers pass over.
  if (::write(opened.fd.get(), line.data(), line.size()) < 0) throw sys_error("writing {}", current(directory));
}

std::chrono::microseconds now_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::microseconds(now.tv_nsec / 1000);
}

/// By its shape alone, without its checksum.
bool is_torn(std::string_view line) {
  return !line.starts_with(kMark) || !line.ends_with('}') || line.find(kMark, 1) != std::string_view::npos;
}

/// Whole lines of `text` that hold `word` into `history`. Returns how far they go: what follows may still be written.
std::size_t take_lines(std::string_view text, std::string_view word, History& history) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    std::string_view line = text.substr(begin, end - begin);
    if (!word.empty() && line.find(word) == std::string_view::npos) {
      history.damaged += is_torn(line) ? 1 : 0;
      continue;
    }
    auto event = parse_line(line);
    if (!event) ++history.damaged;
    // After a torn line the next one follows without an end between them.
    for (std::size_t mark = 1; !event && (mark = line.find(kMark, mark)) != std::string_view::npos; ++mark)
      event = parse_line(line.substr(mark));
    if (event) history.events.push_back(*std::move(event));
  }
  return begin;
}

void take_file(const Opened& opened, const std::string& path, std::size_t offset, std::string_view word,
               History& history, Position* position) {
  if (::lseek(opened.fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0) throw sys_error("reading {}", path);
  // Room for lines that come while it is read.
  const std::string text = read_all(opened.fd.get(), path, kLargestReadable);
  const std::size_t taken = take_lines(text, word, history);
  if (position != nullptr)
    *position = {opened.status.st_ino, offset + taken};
  else if (taken < text.size())
    ++history.damaged;  // a torn tail
}

/// A file's lines, from the last to the first. Of a block the front belongs to a line that began before it.
class BackwardFile {
 public:
  BackwardFile(int fd, std::string path, std::size_t size) : fd_(fd), path_(std::move(path)), left_(size) {}

  /// The whole lines of the next block, and in the first the torn tail; nullopt at the beginning of the file.
  std::optional<History> next() {
    if (left_ == 0) return std::nullopt;
    // Without an end in it what is carried grows: blocks as large as it keep the work in proportion to the file.
    const std::size_t size = std::min(left_, std::max(kBlock, carried_.size()));
    std::string text = read_at(left_ - size, size) + carried_;
    left_ -= size;
    const auto end = std::find(text.begin(), text.end(), '\n');
    const bool is_whole = left_ == 0 || end != text.end();
    const auto front = left_ == 0 || !is_whole ? 0 : static_cast<std::size_t>(end - text.begin()) + 1;
    History history;
    if (is_whole) {
      const std::string_view lines = std::string_view(text).substr(front);
      if (take_lines(lines, {}, history) < lines.size()) ++history.damaged;  // nothing but the file's tail has no end
    }
    carried_ = is_whole ? text.substr(0, front) : std::move(text);
    return history;
  }

 private:
  static constexpr std::size_t kBlock = 64 << 10;

  std::string read_at(std::size_t offset, std::size_t size) const {
    std::string text(size, '\0');
    const ssize_t count = ::pread(fd_, text.data(), size, static_cast<off_t>(offset));
    if (count < 0) throw sys_error("reading {}", path_);
    text.resize(static_cast<std::size_t>(count));  // less: somebody has cut it off meanwhile
    return text;
  }

  int fd_;
  std::string path_;
  std::size_t left_;  ///< before what has been read
  std::string carried_;
};

/// An empty descriptor for what is missing or not ours; the latter is told.
Opened open_for_reading(const std::string& path, History& history) {
  try {
    return open_ours(path, O_RDONLY);
  } catch (const Error& error) {
    history.problems.emplace_back(error.what());
    return {};
  }
}

/// Blocks of one file, the newest first. False when they are enough.
bool take_back(const Opened& opened, const std::string& path,
               const std::function<bool(const std::vector<Event>&)>& is_enough, History& history,
               std::vector<History>& blocks) try {
  if (!opened.fd) return true;
  const auto size = static_cast<std::size_t>(opened.status.st_size);
  if (size > kLargestReadable) take_file(opened, path, 0, {}, history, nullptr);  // which says so
  BackwardFile file(opened.fd.get(), path, size);
  while (auto block = file.next()) {
    blocks.push_back(*std::move(block));
    if (is_enough(blocks.back().events)) return false;
  }
  return true;
} catch (const Error& error) {
  history.problems.emplace_back(error.what());
  return true;
}

void read_files(const std::string& directory, std::string_view word, History& history, Position* position) {
  // The newer first: should the files be turned over in between, the older is then this very file.
  const Opened now = open_for_reading(current(directory), history);
  const Opened before = open_for_reading(previous(directory), history);
  const Position from = position != nullptr ? *position : Position{};
  const auto take = [&](const Opened& opened, const std::string& path, Position* reached) {
    const bool is_known = from.inode != 0 && opened.status.st_ino == from.inode &&
                          static_cast<std::uint64_t>(opened.status.st_size) >= from.offset;
    try {
      take_file(opened, path, is_known ? from.offset : 0, word, history, reached);
    } catch (const Error& error) {
      history.problems.emplace_back(error.what());
    }
  };
  const bool is_same = now.fd && before.fd && now.status.st_ino == before.status.st_ino;
  const bool is_read = from.inode != 0 && now.fd && now.status.st_ino == from.inode;
  if (before.fd && !is_same && !is_read) {
    Position old;
    take(before, previous(directory), position != nullptr ? &old : nullptr);
  }
  if (now.fd) take(now, current(directory), position);
}

}  // namespace

void record_in(std::string directory) {
  process_directory() = std::move(directory);
}

void record(Event event) noexcept {
  try {
    const std::string& directory = process_directory();
    if (directory.empty()) return;
    event.time = Time(now_of(CLOCK_REALTIME));
    event.up = now_of(CLOCK_BOOTTIME);
    event.boot = current_boot_id();
    if (event.cause.empty()) event.cause = ::program_invocation_short_name;
    append(directory, to_line(event));
  } catch (const std::exception& error) {
    // A full disk is known to whoever keeps the node; what is not ours in our place has to be said.
    log_at(dynamic_cast<const Error*>(&error) != nullptr && static_cast<const Error&>(error).is(Error::Code::held)
               ? LogLevel::warning
               : LogLevel::info,
           "an event is not recorded, ignoring: {}", error.what());
  } catch (...) {  // nothing that is recorded may fail a call
  }
}

void note_device(std::string_view device) noexcept {
  try {
    thread_device() = device;
  } catch (...) {  // out of memory: it is not recorded
  }
}

std::string take_noted_device() noexcept {
  return std::exchange(thread_device(), {});
}

namespace {

int& collectors() {
  thread_local int count = 0;
  return count;
}

}  // namespace

Collecting::Collecting() noexcept {
  ++collectors();
}

Collecting::~Collecting() {
  --collectors();
}

bool is_collecting() noexcept {
  return collectors() > 0;
}

History read(const std::string& directory) {
  History history;
  read_files(directory, {}, history, nullptr);
  return history;
}

History read_about(const std::string& directory, std::string_view word) {
  const bool is_written_as_it_is = std::all_of(word.begin(), word.end(), [](char each) {
    return each > ' ' && each <= '~' && each != '"' && each != '\\' && each != '/';
  });
  History history;
  read_files(directory, is_written_as_it_is ? word : std::string_view(), history, nullptr);
  return history;
}

History read_back(const std::string& directory, const std::function<bool(const std::vector<Event>&)>& is_enough) {
  History history;
  std::vector<History> blocks;  // the newest first
  const Opened now = open_for_reading(current(directory), history);
  const Opened before = open_for_reading(previous(directory), history);
  const bool is_same = now.fd && before.fd && now.status.st_ino == before.status.st_ino;
  const bool more = take_back(now, current(directory), is_enough, history, blocks);
  if (more && !is_same) take_back(before, previous(directory), is_enough, history, blocks);
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    history.damaged += block->damaged;
    std::move(block->events.begin(), block->events.end(), std::back_inserter(history.events));
  }
  return history;
}

History read_on(const std::string& directory, Position& position) {
  History history;
  read_files(directory, {}, history, &position);
  return history;
}

}  // namespace barewire::journal
