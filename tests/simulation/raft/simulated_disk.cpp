#include "tests/simulation/raft/simulated_disk.h"

#include <algorithm>

namespace quorate::simulation {

using base::Failure;
using storage::Done;
using storage::Error;
using storage::ErrorKind;
using storage::Result;
using storage::Status;

namespace {

constexpr size_t kPageBytes = 64;

Failure<Error> failure(ErrorKind kind, const std::string& name, const char* what) {
  return Failure{Error{kind, name, 0, what}};
}

Failure<Error> crash(const std::string& name) {
  return failure(ErrorKind::kOutput, name, "the machine has crashed");
}

}  // namespace

class SimulatedFile : public storage::File {
 public:
  SimulatedFile(SimulatedDisk& disk, SimulatedDisk::InodeRef inode, std::string name)
      : disk_(disk), inode_(std::move(inode)), name_(std::move(name)) {}

  Status append(std::string_view bytes) override { return disk_.append(*inode_, name_, bytes); }
  Status sync() override { return disk_.sync_file(*inode_, name_); }

 private:
  SimulatedDisk& disk_;
  SimulatedDisk::InodeRef inode_;
  std::string name_;
};

bool SimulatedDisk::interrupted() {
  ++counts_.operations;
  if (crash_in_ && (*crash_in_)-- == 0) {
    crash_in_.reset();
    crashed_ = true;
    ++counts_.interrupted;
    return true;
  }
  return false;
}

Result<std::vector<std::string>> SimulatedDisk::list() {
  if (crashed_) return crash("");
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

Result<std::string> SimulatedDisk::read(const std::string& name) {
  if (crashed_) return crash(name);
  const auto found = names_.find(name);
  if (found == names_.end()) return failure(ErrorKind::kInput, name, "no such file");
  return found->second->cached;
}

Result<std::unique_ptr<storage::File>> SimulatedDisk::create(const std::string& name) {
  auto inode = std::make_shared<Inode>();
  if (Status done = change_names({{}, name, inode}); !done) return Failure{done.error()};
  return std::unique_ptr<storage::File>(std::make_unique<SimulatedFile>(*this, inode, name));
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  if (!names_.contains(from)) return failure(ErrorKind::kOutput, from, "no such file");
  return change_names({from, to, names_.at(from)});
}

Status SimulatedDisk::remove(const std::string& name) {
  if (!names_.contains(name)) return failure(ErrorKind::kOutput, name, "no such file");
  return change_names({name, {}, nullptr});
}

void SimulatedDisk::apply(std::map<std::string, InodeRef>& names, const NameChange& change) {
  if (!change.gone.empty()) names.erase(change.gone);
  if (!change.appears.empty()) names[change.appears] = change.inode;
}

Status SimulatedDisk::change_names(NameChange change) {
  if (crashed_) return crash(change.appears);
  const bool too_late = interrupted();
  if (too_late && random_.below(2) == 0) return crash(change.appears);
  apply(names_, change);
  unsynced_names_.push_back(std::move(change));
  return too_late ? Status(crash("")) : Status(Done{});
}

Status SimulatedDisk::sync() {
  if (crashed_ || interrupted()) return crash("");
  for (const NameChange& change : unsynced_names_) apply(names_on_disk_, change);
  unsynced_names_.clear();
  return Done{};
}

Status SimulatedDisk::append(Inode& inode, const std::string& name, std::string_view bytes) {
  if (crashed_) return crash(name);
  const bool too_late = interrupted();
  const uint64_t used = this->bytes();
  const bool full = capacity_ && used + bytes.size() > *capacity_;
  if (too_late) bytes = bytes.substr(0, random_.below(bytes.size() + 1));
  if (full) bytes = bytes.substr(0, *capacity_ - std::min(*capacity_, used));
  if (!bytes.empty()) {
    const size_t first = inode.cached.size() / kPageBytes;
    inode.cached += bytes;
    inode.pages.resize((inode.cached.size() + kPageBytes - 1) / kPageBytes, Page::kDirty);
    inode.pages[first] = Page::kDirty;
  }
  if (too_late) return crash(name);
  if (!full) return Done{};
  ++counts_.full;
  return failure(ErrorKind::kFull, name, "no space left");
}

/// Copies a page from the cache to the disk. A page that begins beyond the end leaves zeros before.
void SimulatedDisk::store_page(Inode& inode, size_t page) {
  const size_t begin = page * kPageBytes;
  const size_t end = std::min(begin + kPageBytes, inode.cached.size());
  if (inode.on_disk.size() < end) inode.on_disk.resize(end);
  std::copy(inode.cached.begin() + static_cast<ptrdiff_t>(begin),
            inode.cached.begin() + static_cast<ptrdiff_t>(end),
            inode.on_disk.begin() + static_cast<ptrdiff_t>(begin));
}

Status SimulatedDisk::sync_file(Inode& inode, const std::string& name) {
  if (crashed_ || interrupted()) return crash(name);
  const bool fails = failing_syncs_ > 0;
  for (size_t page = 0; page < inode.pages.size(); ++page) {
    if (inode.pages[page] != Page::kDirty) continue;
    const bool stored = !fails || random_.below(2) == 0;
    if (stored) store_page(inode, page);
    inode.pages[page] = stored ? Page::kClean : Page::kLost;
  }
  if (!fails) return Done{};
  --failing_syncs_;
  ++counts_.failed_syncs;
  return failure(ErrorKind::kOutput, name, "sync: input/output error");
}

/// What the power failure leaves of a file.
void SimulatedDisk::settle(Inode& inode) {
  const size_t synced_size = inode.on_disk.size();
  bool unsynced = false;
  for (size_t page = 0; page < inode.pages.size(); ++page) {
    if (inode.pages[page] == Page::kClean) continue;
    unsynced = true;
    const uint64_t fate = inode.pages[page] == Page::kLost ? 0 : random_.below(5);
    if (fate <= 1) {
      ++counts_.lost_pages;
    } else if (fate == 2) {
      ++counts_.torn_pages;
      const std::string before = inode.on_disk;
      store_page(inode, page);
      const size_t torn_at = page * kPageBytes + random_.below(kPageBytes);
      for (size_t i = torn_at; i < inode.on_disk.size(); ++i) {
        inode.on_disk[i] = i < before.size() ? before[i] : '\0';
      }
    } else {
      store_page(inode, page);
    }
  }
  if (unsynced) {
    const size_t longest = inode.cached.size();
    const auto size = static_cast<size_t>(
        random_.between(static_cast<int64_t>(synced_size), static_cast<int64_t>(longest)));
    inode.on_disk.resize(random_.below(2) == 0 ? size : longest);
  }
  inode.cached = inode.on_disk;
  inode.pages.assign((inode.cached.size() + kPageBytes - 1) / kPageBytes, Page::kClean);
}

void SimulatedDisk::lose_power() {
  for (const NameChange& change : unsynced_names_) {
    if (random_.below(2) == 0) {
      ++counts_.lost_names;
    } else {
      apply(names_on_disk_, change);
    }
  }
  unsynced_names_.clear();
  names_ = names_on_disk_;
  for (auto& [name, inode] : names_) settle(*inode);
  restart();
}

void SimulatedDisk::restart() {
  crashed_ = false;
  crash_in_.reset();
}

std::map<std::string, std::string> SimulatedDisk::files() const {
  std::map<std::string, std::string> files;
  for (const auto& [name, inode] : names_) files[name] = inode->cached;
  return files;
}

void SimulatedDisk::replace(const std::string& name, std::string bytes) {
  auto inode = std::make_shared<Inode>();
  inode->cached = bytes;
  inode->on_disk = std::move(bytes);
  inode->pages.assign((inode->cached.size() + kPageBytes - 1) / kPageBytes, Page::kClean);
  names_[name] = inode;
  names_on_disk_[name] = inode;
}

uint64_t SimulatedDisk::bytes() const {
  uint64_t total = 0;
  for (const auto& [name, inode] : names_) total += inode->cached.size();
  return total;
}

}  // namespace quorate::simulation
