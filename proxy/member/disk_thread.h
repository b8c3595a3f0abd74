// DiskThread: the thread that waits for the member's disk, so that nothing else does.
//
//   control loop ── order ──►  queue ──► append … append, one fsync for all that waited
//        ▲                                      │
//        └──────── on_persisted(sequence) ──────┘   through the control loop's mailbox
//
// After an error nothing more is written, and nothing more is confirmed.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "consensus/raft/entry.h"
#include "consensus/storage/storage.h"
#include "proxy/io/mailbox.h"

namespace quorate::member {

class DiskThread {
 public:
  struct Upcalls {
    std::function<void(uint64_t sequence)> on_persisted;
    std::function<void(const std::string& why)> on_failed;  ///< once
  };

  /// Upcalls come through `mailbox`, on its loop, until stop().
  DiskThread(std::unique_ptr<storage::Directory> directory,
             std::unique_ptr<storage::Storage> storage, io::Mailbox& mailbox, Upcalls upcalls);
  ~DiskThread();

  void write(raft::Persist order);
  /// Writes what has been ordered, then ends. No upcall comes afterwards.
  void stop();

 private:
  void run();
  bool write_all(const std::vector<raft::Persist>& orders);

  const std::unique_ptr<storage::Directory> directory_;
  const std::unique_ptr<storage::Storage> storage_;
  io::Mailbox& mailbox_;
  const std::shared_ptr<Upcalls> upcalls_;  // emptied when stopped
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<raft::Persist> orders_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace quorate::member
