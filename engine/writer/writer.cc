#include "engine/writer/writer.h"

#include <fmt/format.h>

#include "engine/crypto/wipe_freed.h"
#include "engine/ingest/validate.h"
#include "engine/registry/guard.h"
#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

uint64_t size_of(const ingest::Batch& batch) {
  uint64_t size = 0;
  for (const ingest::Event& event : batch.events) {
    size += 256 + event.content.size() + event.url.size() + 64 * event.targets.size();
  }
  return size;
}

// A repeat is answered out of the idempotency window, whatever rules hold by now: what is wrong with a batch that has
// keys is kept until they were looked up, and its bad events are emptied, so that nothing is made of them.
Result<void> validate(ingest::Batch& batch, const registry::Schema& schema, const ingest::Limits& limits, TimeUs now,
                      Refused& refused) {
  if (!batch.event_keys.empty() && !batch.key) {
    KHIPU_TRY(ingest::validate(batch, schema, limits, now, refused.events));
    bool any = false;
    for (size_t i = 0; i < batch.events.size(); ++i) {
      if (!refused.events[i]) continue;
      any = true;
      batch.events[i] = {};
    }
    if (!any) refused.events.clear();
    return {};
  }
  Result<void> valid = ingest::validate(batch, schema, limits, now);
  if (valid.ok() || !batch.key) return valid;
  refused.batch = std::move(valid).error();
  batch.events.clear();
  batch.event_keys.clear();
  batch.statements.clear();
  batch.accesses.clear();
  return {};
}

}  // namespace

Writer::Writer() = default;

Result<std::unique_ptr<Writer>> Writer::open(Environment environment, Options options) {
  std::unique_ptr<Writer> writer(new Writer());
  writer->impl_ = std::make_unique<Impl>(environment);
  if (Result<void> opened = writer->impl_->open(std::move(options)); !opened.ok()) {
    writer->impl_->closed = true;
    return std::move(opened).error();
  }
  writer->impl_->start_threads();
  return writer;
}

Writer::~Writer() {
  if (impl_) (void)impl_->close().ok();
}

// On the caller's thread: rules checked, protected values sealed.
Result<void> Writer::prepare(ingest::Batch& batch, Refused& refused) {
  const Impl& impl = *impl_;
  std::shared_ptr<const registry::Schema> schema = this->schema();
  ingest::Limits limits;
  {
    const std::lock_guard hold(impl.mutex);
    limits = impl.options.limits;
  }
  for (const codec::Statement& statement : batch.statements) {
    // Events may use what their own batch defines.
    auto extended = std::make_shared<registry::Schema>(*schema);
    if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) {
      KHIPU_TRY_ASSIGN(const codec::TypeSchema defined,
                       registry::as_defined(*schema, type->type, batch.changes_rules, batch.adds_fields));
      extended->apply(defined);
    }
    if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) {
      codec::ColumnSchema with_id = column->column;
      const codec::ColumnSchema* known = schema->column(std::string_view(with_id.name));
      with_id.id = known ? known->id : static_cast<uint32_t>(schema->columns().size() + 1);
      extended->apply(with_id);
    }
    schema = std::move(extended);
  }
  KHIPU_TRY(validate(batch, *schema, limits, impl.environment.clock.now(), refused));
  if (refused.batch) return {};
  if (!schema->protects() && !batch.seal_content) return {};
  crypto::wipe_freed_memory();
  return protect(batch, *schema);
}

void Writer::submit(ingest::Batch batch, Answer answer) {
  Refused refused;
  if (Result<void> ready = prepare(batch, refused); !ready.ok()) return answer(std::move(ready).error());
  enter(std::move(batch), std::move(refused), std::move(answer), Entry::kQueue);
}

void Writer::enter(ingest::Batch batch, Refused refused, Answer answer, Entry entry) {
  Impl& impl = *impl_;
  Submission submission{std::move(batch), std::move(refused), std::move(answer), 0, 0, Steady::now()};
  // Somebody waits for an answer behind each read: it does not wait for company, only for the commit under way.
  if (!submission.batch.accesses.empty()) submission.since = Steady::time_point();
  submission.events = std::max<uint64_t>(1, submission.batch.events.size());
  submission.size_bytes = size_of(submission.batch);
  std::optional<Error> refusal;
  bool here = false;
  {
    const std::lock_guard hold(impl.mutex);
    if (!impl.poisoned.empty()) {
      refusal = impl.poison_error();
    } else if (impl.stopping) {
      refusal = Error{Code::kPoisoned, "the writer is closing"};
    } else if (entry != Entry::kOwn && !impl.queue.empty() &&
               (impl.queued_events + submission.events > impl.options.queue_events_max ||
                impl.queued_size_bytes + submission.size_bytes > impl.options.queue_size_bytes_max)) {
      refusal = Error{Code::kBusy, fmt::format("{} events wait already; try again", impl.queued_events)};
    } else if (entry == Entry::kMayBlock && impl.may_commit_here()) {
      here = impl.caller_commits = true;
    } else {
      impl.queued_events += submission.events;
      impl.queued_size_bytes += submission.size_bytes;
      impl.queue.push_back(std::move(submission));
    }
  }
  if (refusal) return submission.answer(std::move(*refusal));
  if (here) return impl.commit_here(std::move(submission));
  impl.queue_moved.notify_one();
}

Result<Receipt> Writer::submit_and_wait(ingest::Batch batch) {
  Refused refused;
  KHIPU_TRY(prepare(batch, refused));
  return wait_for_answer(std::move(batch), std::move(refused));
}

Result<Receipt> Writer::wait_for_answer(ingest::Batch batch, Refused refused) {
  // Not a promise: it wakes the kernel also when the answer is there before anybody waits.
  struct Slot {
    std::mutex mutex;
    std::condition_variable filled;
    std::optional<Result<Receipt>> receipt;
  } slot;
  enter(
      std::move(batch), std::move(refused),
      [&slot](Result<Receipt> receipt) {
        const std::lock_guard hold(slot.mutex);
        slot.receipt = std::move(receipt);
        slot.filled.notify_one();  // inside: the slot is gone as soon as its owner sees the answer
      },
      Entry::kMayBlock);
  std::unique_lock hold(slot.mutex);
  slot.filled.wait(hold, [&] { return slot.receipt.has_value(); });
  return std::move(*slot.receipt);
}

Result<void> Writer::close() { return impl_->close(); }

void Writer::reconfigure(const Options& options) {
  {
    const std::lock_guard hold(impl_->mutex);
    const uint64_t segment_size_bytes = impl_->options.segment_size_bytes;
    impl_->options = options;
    impl_->options.segment_size_bytes = segment_size_bytes;  // fixed at opening
    impl_->idempotency->keep({options.idempotency_keys_max, options.idempotency_window_us});
  }
  impl_->queue_moved.notify_all();
}

std::shared_ptr<const registry::Schema> Writer::schema() const {
  const std::lock_guard hold(impl_->mutex);
  return impl_->schema;
}

Status Writer::status() const {
  const std::lock_guard hold(impl_->mutex);
  Status status;
  status.head = impl_->published.head;
  status.queued_events = impl_->queued_events;
  status.commits = impl_->commits;
  status.events = impl_->events;
  status.poisoned = impl_->poisoned;
  status.recovery = impl_->recovery;
  status.checkpoint = impl_->checkpoint_number;
  status.checkpoint_note = impl_->checkpoint_note;
  status.index_error = impl_->index_error;
  return status;
}

const RootId& Writer::root_id() const { return impl_->root_id; }

}  // namespace khipu::writer
