#include "proxy/member/disk_thread.h"

#include <utility>

namespace quorate::member {

DiskThread::DiskThread(std::unique_ptr<storage::Directory> directory,
                       std::unique_ptr<storage::Storage> storage, io::Mailbox& mailbox,
                       Upcalls upcalls)
    : directory_(std::move(directory)),
      storage_(std::move(storage)),
      mailbox_(mailbox),
      upcalls_(std::make_shared<Upcalls>(std::move(upcalls))),
      thread_([this] { run(); }) {}

DiskThread::~DiskThread() { stop(); }

void DiskThread::write(raft::Persist order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  wake_.notify_one();
}

void DiskThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  *upcalls_ = {};
}

void DiskThread::run() {
  bool works = true;
  while (true) {
    std::vector<raft::Persist> orders;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !orders_.empty(); });
      if (orders_.empty()) return;
      orders.swap(orders_);
    }
    if (works) works = write_all(orders);
  }
}

bool DiskThread::write_all(const std::vector<raft::Persist>& orders) {
  storage::Status done = storage::Done{};
  for (const raft::Persist& order : orders) {
    if (done) done = storage_->append(order);
  }
  if (done) done = storage_->sync();
  if (!done) {
    mailbox_.post([upcalls = upcalls_, why = storage::to_string(done.error())] {
      if (upcalls->on_failed) upcalls->on_failed(why);
    });
    return false;
  }
  mailbox_.post([upcalls = upcalls_, sequence = orders.back().sequence] {
    if (upcalls->on_persisted) upcalls->on_persisted(sequence);
  });
  return true;
}

}  // namespace quorate::member
