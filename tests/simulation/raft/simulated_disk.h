// A disk that does to the log what disks do, and nothing that they do not: until a sync has
// succeeded, what was written may be lost, wholly or in parts, in any order.
//
//  - a power failure keeps, drops or tears each unsynced page, leaves a file's length anywhere
//    between what was synced and what was written, and keeps any part of the names that were not
//    synced (created, renamed, removed);
//  - a killed process loses nothing that it wrote: the page cache outlives it;
//  - a failed sync writes some of the pages and takes all of them for clean ("fsyncgate"). This
//    process and the next read them from the cache; a power failure shows that they are not there;
//  - a full disk takes a part of a write;
//  - a crash may come before or in the middle of any single operation.
// All choices come from one seed. Pages are small, so that small records straddle them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/storage/directory.h"

namespace quorate::simulation {

class SimulatedDisk : public storage::Directory {
 public:
  explicit SimulatedDisk(uint64_t seed) : random_(seed) {}

  storage::Result<std::vector<std::string>> list() override;
  storage::Result<std::string> read(const std::string& name) override;
  storage::Result<std::unique_ptr<storage::File>> create(const std::string& name) override;
  storage::Status rename(const std::string& from, const std::string& to) override;
  storage::Status remove(const std::string& name) override;
  storage::Status sync() override;

  // ---- Faults.

  /// The next `count` file syncs fail.
  void fail_syncs(uint32_t count) { failing_syncs_ = count; }
  /// Writes fail once the files together hold so many bytes; none: there is room.
  void limit(std::optional<uint64_t> bytes) { capacity_ = bytes; }
  /// The operation after `operations` more ones is cut short, and all later ones fail.
  void crash_after(uint64_t operations) { crash_in_ = operations; }
  bool crashed() const { return crashed_; }

  /// The power fails. What survives is what a new process finds.
  void lose_power();
  /// The process ends; another one may begin.
  void restart();

  // ---- For tests that look at bytes, and for counting.

  std::map<std::string, std::string> files() const;
  void replace(const std::string& name, std::string bytes);
  uint64_t bytes() const;

  struct Counts {
    uint64_t torn_pages = 0;
    uint64_t lost_pages = 0;
    uint64_t lost_names = 0;
    uint64_t failed_syncs = 0;
    uint64_t full = 0;
    uint64_t interrupted = 0;  ///< operations that were cut short
    uint64_t operations = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  friend class SimulatedFile;

  enum class Page : uint8_t { kClean, kDirty, kLost };
  struct Inode {
    std::string cached;   ///< what a process reads
    std::string on_disk;  ///< what a power failure leaves
    std::vector<Page> pages;
  };
  using InodeRef = std::shared_ptr<Inode>;
  struct NameChange {
    std::string gone;     ///< empty: none
    std::string appears;  ///< empty: none
    InodeRef inode;
  };

  storage::Status append(Inode& inode, const std::string& name, std::string_view bytes);
  storage::Status sync_file(Inode& inode, const std::string& name);
  void settle(Inode& inode);
  void store_page(Inode& inode, size_t page);
  static void apply(std::map<std::string, InodeRef>& names, const NameChange& change);
  storage::Status change_names(NameChange change);
  /// Whether this operation is one too many.
  bool interrupted();

  base::Random random_;
  std::map<std::string, InodeRef> names_;
  std::map<std::string, InodeRef> names_on_disk_;
  std::vector<NameChange> unsynced_names_;
  std::optional<uint64_t> capacity_;
  std::optional<uint64_t> crash_in_;
  uint32_t failing_syncs_ = 0;
  bool crashed_ = false;
  Counts counts_;
};

}  // namespace quorate::simulation
