// What retention asks of the writer beside its threads: a statement in a published checkpoint, a raised epoch.
#include <future>

#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

constexpr auto kLook = std::chrono::milliseconds(5);  // whether the writer is idle: not all of that is announced

}  // namespace

Result<CommitNumber> Writer::append_and_publish(codec::Statement statement) {
  ingest::Batch batch;
  batch.statements.push_back(std::move(statement));
  std::promise<Result<Receipt>> promise;
  std::future<Result<Receipt>> future = promise.get_future();
  impl_->enqueue(
      std::move(batch), [&promise](Result<Receipt> answer) { promise.set_value(std::move(answer)); }, false);
  KHIPU_TRY_ASSIGN(const Receipt receipt, future.get());
  KHIPU_TRY(impl_->publish(receipt.commit));
  return receipt.commit;
}

Result<void> Writer::publish() { return impl_->publish(status().head.commit); }
Result<Epoch> Writer::raise_epoch() { return impl_->raise_epoch(); }

Result<void> Writer::Impl::publish(CommitNumber commit) {
  std::unique_lock hold(mutex);
  checkpoint_wanted = checkpointed < commit;
  checkpoint_moved.notify_all();
  checkpoint_moved.wait(hold, [&] { return checkpointed >= commit || !poisoned.empty() || sync_done; });
  if (!poisoned.empty()) return poison_error();
  if (checkpointed < commit) return Error{Code::kPoisoned, "the writer is closing"};
  return {};
}

// I8: a reader that locks its slot after this reads HEAD again and moves; one that did so before is in another slot.
Result<Epoch> Writer::Impl::raise_epoch() {
  std::unique_lock hold(mutex);
  Epoch next = epoch.next();
  for (uint64_t step = 1; step < os::kReaderSlotCount; ++step) {
    const Epoch candidate{epoch.value + step};
    KHIPU_TRY_ASSIGN(const bool held, os::reader_slot_held(environment.root, candidate));
    if (held) continue;
    next = candidate;
    break;
  }
  epoch = next;  // in every HEAD of a commit whose frame is written from now on
  const auto seen = [&] { return published.head.epoch == next; };
  const auto idle = [&] { return sync_idle && !syncing && !writer_commits && !caller_commits; };
  while (!seen() && !idle() && poisoned.empty()) sync_moved.wait_for(hold, kLook);
  if (!poisoned.empty()) return poison_error();
  Result<void> written;
  if (!seen()) {  // nobody commits, and nobody can begin to while we hold the mutex: HEAD is ours
    published.head.epoch = next;
    written = head_file->write(published.head);
  }
  hold.unlock();
  if (written.ok()) written = head_file->sync();
  if (!written.ok()) {
    poison(written.error());
    return std::move(written).error();
  }
  return next;
}

}  // namespace khipu::writer
